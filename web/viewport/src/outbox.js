// Messages that are numbered and sent one at a time. What comes up before the answer goes along with the next message,
// so that no number of clicks makes a queue.

const PATIENCE = 15000; // milliseconds until an answer is taken for lost

export class Outbox {
  constructor(send) {
    Object.assign(this, { send, later: [], number: 0, awaited: 0, timer: 0 });
  }

  push(item) {
    this.later.push(item);
    this.next();
  }

  // `heard`: the last message that the server has answered.
  answered(heard) {
    if (!this.awaited || heard < this.awaited) return;
    this.awaited = 0;
    clearTimeout(this.timer);
    this.next();
  }

  clear() {
    this.later.length = this.awaited = 0;
    clearTimeout(this.timer);
  }

  next() {
    if (this.awaited || !this.later.length) return;
    this.awaited = this.number = Math.max(this.number + 1, Date.now()); // higher than those of a page reloaded
    this.timer = setTimeout(() => ((this.awaited = 0), this.next()), PATIENCE);
    this.send(this.later.splice(0), this.awaited);
  }
}

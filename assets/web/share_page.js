// A shared page: both clips lie in it as base64 and are played by the studio's own player.

(function () {
  const about = JSON.parse(document.getElementById("about").textContent);
  const root = document.querySelector(".player"), files = document.getElementById("files");

  function blob(id) {
    const text = atob(document.getElementById(id).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  }

  const clips = about.clips.map(({ label, id, name }) => {
    const url = blob(id), link = document.createElement("a");
    Object.assign(link, { href: url, download: name, textContent: `${label} clip (.mp4)`, className: "button" });
    files.append(link);
    return { label, url };
  });
  mountPlayer(root, { value: { clips, fps: about.fps, frames: about.frames } }, () => {}, document);

  const button = document.getElementById("theme"), page = document.documentElement;
  function theme(dark) {
    page.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", dark);
  }
  const system = matchMedia("(prefers-color-scheme: dark)");
  theme(system.matches);
  system.addEventListener("change", (e) => theme(e.matches));
  button.onclick = () => theme(page.dataset.theme !== "dark");
})();

"""Undo and redo over values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editing.history import History
from spatia_core.errors import InvalidInput


def test_the_ends_of_history_are_said():
    history = History.starting("open", object())
    with pytest.raises(InvalidInput, match="undo"):
        history.undo()
    with pytest.raises(InvalidInput, match="redo"):
        history.redo()


def test_a_new_step_forgets_what_was_undone():
    history = History.starting("a", 1).then("b", 2).then("c", 3).undo().then("d", 4)
    assert [label for label, _ in history.states] == ["a", "b", "d"]
    assert not history.can_redo


def test_old_states_go_when_the_limit_is_reached():
    history = History.starting("0", 0)
    for k in range(1, 10):
        history = history.then(str(k), k, limit=4)
    assert [state for _, state in history.states] == [6, 7, 8, 9]
    assert history.state == 9


@given(st.lists(st.sampled_from(["do", "undo", "redo"]), max_size=40))
def test_history_behaves_like_a_list_with_a_cursor(actions):
    history, line, at = History.starting("0", 0), [0], 0
    for k, action in enumerate(actions, 1):
        if action == "do":
            line, at = [*line[: at + 1], k], at + 1
            history = history.then(str(k), k)
        elif action == "undo" and at > 0:
            at, history = at - 1, history.undo()
        elif action == "redo" and at + 1 < len(line):
            at, history = at + 1, history.redo()
        assert history.state == line[at]
        assert (history.can_undo, history.can_redo) == (at > 0, at + 1 < len(line))

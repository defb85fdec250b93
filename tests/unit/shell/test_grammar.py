# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.shell.grammar import (
    GrammarError,
    arguments,
    looks_like_path,
    named_value,
    quote,
    quote_value,
    split_words,
    word_at_end,
    words_of,
)


def texts(line):
    return [word.text for word in split_words(line)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   ", []),
        ("ls", ["ls"]),
        ("  create  a   b ", ["create", "a", "b"]),
        ("create 'my disk' x", ["create", "my disk", "x"]),
        ('create "a \\"b\\" c"', ["create", 'a "b" c']),
        (r"create a\ b", ["create", "a b"]),
        ("set auth password=a'b c'd", ["set", "auth", "password=ab cd"]),
        ("# all of it", []),
        ("ls # the rest", ["ls"]),
        ("create a#b", ["create", "a#b"]),
        ("create ''", ["create", ""]),
        ("create vg+lv a~b a@b name=x|y", ["create", "vg+lv", "a~b", "a@b", "name=x|y"]),
    ],
)
def test_words(line, words):
    assert texts(line) == words


@pytest.mark.parametrize(
    ("line", "column"), [("create 'a b", 7), ('ls "', 3), ("ls a\\", 4), ("a 'b' \"c", 6)]
)
def test_what_cannot_be_read_is_an_error_that_shows_where(line, column):
    with pytest.raises(GrammarError) as caught:
        split_words(line)
    assert caught.value.column == column
    assert caught.value.hint


def test_named_and_positional_arguments_mix():
    words = split_words("disk1 size=1G /srv/a=b.img write_back=false")
    assert arguments(words, "") == (
        ["disk1", "/srv/a=b.img"],
        {"size": "1G", "write_back": "false"},
    )


def test_a_quoted_name_is_no_name():
    assert named_value(split_words("'a=b'")[0]) is None
    assert named_value(split_words("a='b'")[0]) == ("a", "b")
    assert named_value(split_words("a=")[0]) == ("a", "")


def test_a_parameter_given_twice_is_an_error_at_the_second():
    line = "create size=1 size=2"
    with pytest.raises(GrammarError) as caught:
        arguments(split_words(line)[1:], line)
    assert caught.value.column == 14


@pytest.mark.parametrize("text", ["/", "a/b", "..", ".", "/iscsi", "luns/", "'/a b/c'", "@x"])
def test_paths_by_their_form(text):
    assert looks_like_path(split_words(text)[0])


@pytest.mark.parametrize("text", ["ls", "iqn.2003-01.com.example:a", "'a b'"])
def test_what_is_no_path(text):
    assert not looks_like_path(split_words(text)[0])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(st.lists(TEXT, max_size=6))
def test_every_text_can_be_quoted(words):
    line = " ".join(quote(word) for word in words)
    assert texts(line) == words


@given(TEXT.filter(bool))
def test_every_text_can_be_a_value(text):
    (word,) = split_words(quote_value(text))
    assert word.text == text
    assert named_value(word) is None


@given(st.lists(TEXT, max_size=6))
def test_unquoted_words_and_their_line_say_the_same(texts_given):
    words, line = words_of(texts_given)
    assert [word.text for word in words] == texts_given
    again = split_words(line)
    assert [(w.text, w.start, w.end) for w in again] == [(w.text, w.start, w.end) for w in words]


@pytest.mark.parametrize(
    ("line", "before", "text", "start"),
    [
        ("", [], "", 0),
        ("ls", [], "ls", 0),
        ("ls ", ["ls"], "", 3),
        ("ls /a", ["ls"], "/a", 3),
        ("ls 'a b", ["ls"], "a b", 3),
        ('ls "a b" ', ["ls", "a b"], "", 9),
        ("ls a\\", ["ls"], "a", 3),
        ("ls a\\ ", ["ls"], "a ", 3),
        ("set auth userid='x y", ["set", "auth"], "userid=x y", 9),
    ],
)
def test_the_word_that_the_cursor_is_in(line, before, text, start):
    words, current = word_at_end(line)
    assert [word.text for word in words] == before
    assert (current.text, current.start) == (text, start)


def test_nothing_is_completed_in_a_comment():
    assert word_at_end("ls # cd ") is None


def test_a_long_line_shows_the_place_of_the_error():
    with pytest.raises(GrammarError) as caught:
        split_words("create " + "x" * 300 + "\t'" + "y" * 50)
    shown, caret = caught.value.excerpt
    assert len(shown) <= 76
    assert shown[caret.index("^")] == "'"


@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(line):
    try:
        words = split_words(line)
    except GrammarError as error:
        assert 0 <= error.column < len(line)
    else:
        assert all(0 <= word.start < word.end <= len(line) for word in words)

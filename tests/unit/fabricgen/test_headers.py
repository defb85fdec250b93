# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import HostError
from lioshell.fabricgen.headers import Callback, find_headers, read_fabric_ops


def test_what_the_headers_declare(tree):
    ops = read_fabric_ops(find_headers(str(tree)))

    assert [callback.name for callback in ops.callbacks] == [
        "tpg_get_wwn",
        "tpg_get_tag",
        "release_cmd",
        "sess_get_initiator_sid",
        "a_new_one",
        "fabric_make_wwn",
        "fabric_make_tpg",
        "fabric_enable_tpg",
    ]
    assert ops.callbacks[-1] == Callback(
        "fabric_enable_tpg", "int", ("struct se_portal_group *", "bool")
    )
    assert ops.callbacks[3].parameters == ("struct se_session *", "unsigned char *", "u32")
    assert ops.callbacks[0].returns == "char *"
    assert ops.members["fabric_name"] == "const char *"
    assert ops.members["node_acl_size"] == "size_t"


def test_a_build_folder_names_its_sources(tree, tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    (build / "Makefile").write_text(f"# made by Debian\ninclude {tree}/Makefile\n")

    assert find_headers(str(build)) == tree / "include/target/target_core_fabric.h"


def test_a_link_to_the_sources(tree, tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    (build / "source").symlink_to(tree)

    assert find_headers(str(build)).samefile(tree / "include/target/target_core_fabric.h")


def test_missing_headers_are_said_with_what_to_install(tmp_path):
    with pytest.raises(HostError) as caught:
        find_headers(str(tmp_path))

    assert str(tmp_path) in str(caught.value)
    assert "linux-headers" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "struct target_core_fabric_ops {\n\tint x;\n};\n",
        "struct target_core_fabric_ops {\n\tint;\n};\nint target_register_template(x);\n",
        "\xff\xfe",
    ],
)
def test_a_header_that_is_not_one_is_refused(tmp_path, text):
    header = tmp_path / "target_core_fabric.h"
    header.write_bytes(text.encode("latin-1"))

    with pytest.raises(HostError) as caught:
        read_fabric_ops(header)
    assert str(header) in str(caught.value)

# SPDX-License-Identifier: Apache-2.0
"""A small kernel tree: the declarations that a skeleton is made from, and build files."""

import pytest

HEADER = """\
#include <linux/types.h>

struct target_core_fabric_ops {
	struct module *module;
	/* a comment with a ; and a (bracket) */
	const char *fabric_name;
	size_t node_acl_size; // as long as the module's own
	char *(*tpg_get_wwn)(struct se_portal_group *);
	u16 (*tpg_get_tag)(struct se_portal_group *);
	void (*release_cmd)(struct se_cmd *);
	u32 (*sess_get_initiator_sid)(struct se_session *,
			unsigned char *, u32);
	int (*a_new_one)(struct se_cmd *cmd);
	struct se_wwn *(*fabric_make_wwn)(struct target_fabric_configfs *,
				struct config_group *, const char *);
	struct se_portal_group *(*fabric_make_tpg)(struct se_wwn *, const char *);
	int (*fabric_enable_tpg)(struct se_portal_group *se_tpg, bool enable);
	struct configfs_attribute **tfc_wwn_attrs;
	bool write_pending_must_be_called;
};

int target_register_template(const struct target_core_fabric_ops *fo);
"""


@pytest.fixture
def tree(tmp_path):
    """A kernel's sources, as far as they matter here."""
    folder = tmp_path / "linux"
    header = folder / "include/target/target_core_fabric.h"
    header.parent.mkdir(parents=True)
    header.write_text(HEADER)
    target = folder / "drivers/target"
    target.mkdir(parents=True)
    (target / "Makefile").write_text("obj-$(CONFIG_TARGET_CORE) += target_core_mod.o\n")
    (target / "Kconfig").write_text('menuconfig TARGET_CORE\nif TARGET_CORE\nsource "x"\n\nendif\n')
    return folder

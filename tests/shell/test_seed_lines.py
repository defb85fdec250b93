# SPDX-License-Identifier: Apache-2.0
"""The command lines that tutorials print, typed at the prompt in their order.

From the LIO wiki's page on iSCSI, a report on moving from SCST to LIO, and notes on tcmu-runner.
"""

import pytest

WIKI_IQN = "iqn.2003-01.org.linux-iscsi.san01.x8664:sn.05135a0e4a11"
WIKI_CLIENT = "iqn.1991-05.com.microsoft:ibm-t410s"
REPORT_IQN = "iqn.2017-07.com.test:target-10-15-33"
REPORT_CLIENT = "iqn.1993-08.org.debian:01:ef2e26bf3a9e"

WIKI = f"""
set global auto_cd_after_create=false
set global auto_cd_after_create=true
set global auto_add_default_portal=false
iscsi/ info
ls
cd backstores/
iblock/ create name=my_disk dev=/dev/sdb
/iscsi create {WIKI_IQN}
luns/ create /backstores/iblock/my_disk
cd <
portals/ create 192.168.1.139
cd <
set attribute authentication=0 demo_mode_write_protect=0 generate_node_acls=1 cache_dynamic_acls=1
cd /
/iscsi/{WIKI_IQN}/tpgt1
acls/ create {WIKI_CLIENT}
cd <
cd acls/{WIKI_CLIENT}
set auth userid={WIKI_CLIENT}
set auth password=mytargetsecret
get auth
set auth userid=u password=p userid_mutual={WIKI_IQN} password_mutual=mymutualsecret
get auth
/iscsi/{WIKI_IQN}/tpgt1/ set attribute demo_mode_write_protect=0 generate_node_acls=1
cd /iscsi/{WIKI_IQN}/tpgt1
set auth userid=rts-user
set auth password=b492785e-bc91-4710
set auth userid_mutual=mutual-rts-user
set auth password_mutual=aeae2e26-f043-42a7
get auth
cd /iscsi
set discovery_auth enable=1 userid=mytargetuid password=mytargetsecret
set discovery_auth enable=1 userid=u password=p mutual_userid=m mutual_password=q
get discovery_auth
/saveconfig
cd /
ls
saveconfig
"""

REPORT = f"""
cd /backstores/fileio
create file_dev /FOLDER/tgt_file 1M
cd ..
cd /
cd iscsi
create {REPORT_IQN}
set discovery_auth enable=0
cd /iscsi/{REPORT_IQN}/tpg1/luns
create /backstores/fileio/file_dev
cd ../acls
create {REPORT_CLIENT}
cd ../portals
delete [::0] 3260
create
cd /
backstores/iblock create name=block dev=/dev/sdb
ls
exit
"""


def typed(terminal, lines):
    text = lines.strip().replace("/FOLDER", str(terminal.folder))
    code = terminal.type(*text.splitlines())
    assert terminal.err == ""
    assert code == 0
    return terminal.out


def test_the_wiki(terminal):
    out = typed(terminal, WIKI)
    assert f"Entering new node /iscsi/{WIKI_IQN}/tpg1." in out
    assert "Entering new node /backstores/block/my_disk." in out
    assert f"Taking you back to /iscsi/{WIKI_IQN}/tpg1." in out
    assert "Created network portal 192.168.1.139:3260." in out
    assert "Parameter cache_dynamic_acls is now '1'." in out
    assert f"o- {WIKI_CLIENT} " in out
    assert "[lun0 block/my_disk (rw)]" in out
    for secret in ("mytargetsecret", "mymutualsecret", "b492785e-bc91-4710", "aeae2e26"):
        assert secret not in out
    assert not any("password" in line for line in terminal.history)


def test_the_report(terminal):
    out = typed(terminal, REPORT)
    tree = out[out.rindex("o- / ") :]
    for shown in (
        "[no-gen-acls, no-auth]",
        "[Mapped LUNs: 1]",
        "[lun0 fileio/file_dev (rw)]",
        f"fileio/file_dev ({terminal.folder}/tgt_file)",
        "[::0]:3260",
        "[OK]",
    ):
        assert shown in tree
    assert terminal.saved.exists()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        # The wiki's own slip, a full stop behind the value.
        ("/iscsi/x/tpg1 set attribute authentication=0 cache_dynamic_acls=1.", "1."),
        ("/iscsi set discovery_auth enable=0.", "0."),
    ],
)
def test_slips_of_the_tutorials_are_errors_and_change_nothing(terminal, line, shown):
    line = line.replace("/iscsi/x", f"/iscsi/{WIKI_IQN}")
    terminal.session.run_line(f"/iscsi create {WIKI_IQN}")
    terminal.session.run_line(f"/iscsi/{WIKI_IQN}/tpg1 set attribute authentication=1")
    terminal.session.changed = False

    terminal.type(line, f"/iscsi/{WIKI_IQN}/tpg1 get attribute authentication")

    assert f"'{shown}'" in terminal.err
    assert "  hint: " in terminal.err
    assert "authentication=1" in terminal.out

# SPDX-License-Identifier: Apache-2.0
"""Generated configurations: documents that a kernel can take as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from lioshell.config.document import tree_path

if TYPE_CHECKING:
    from pathlib import Path

Item = dict[str, Any]

FILE_SIZE_BYTES = 1 << 20
_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+@-]{0,11}", fullmatch=True)
_SERIALS = st.one_of(st.uuids().map(str), st.from_regex(r"[A-Za-z0-9_-]{1,30}", fullmatch=True))
_SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16)
_IQNS = st.from_regex(r"iqn\.20[0-9]{2}-0[1-9]\.com\.[a-z]{2,6}:[a-z0-9.-]{1,12}", fullmatch=True)
_NAAS = st.from_regex(r"naa\.5001405[0-9a-f]{9}", fullmatch=True)
_BOOLS = st.sampled_from((0, 1))


def _some(table: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Item]:
    return st.fixed_dictionaries({}, optional=table)


_ATTRIBUTES = _some(
    {
        "emulate_model_alias": _BOOLS,
        "emulate_caw": _BOOLS,
        "emulate_3pc": _BOOLS,
        "emulate_pr": _BOOLS,
        "emulate_tas": _BOOLS,
        "enforce_pr_isids": _BOOLS,
        "force_pr_aptpl": _BOOLS,
        "is_nonrot": _BOOLS,
        "emulate_ua_intlck_ctrl": st.sampled_from((0, 1, 2)),
        "block_size": st.sampled_from((512, 4096)),
        "max_write_same_len": st.integers(0, 65535),
        "unmap_granularity_alignment": st.integers(0, 7),
    }
)
_GROUPS = st.lists(
    st.builds(
        lambda name, more: {"name": name, "tg_pt_gp_id": 0, **more},
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).map(lambda n: f"g{n}"),
        _some(
            {
                "alua_access_type": st.sampled_from((0, 1, 2, 3)),
                "preferred": _BOOLS,
                "alua_write_metadata": _BOOLS,
                "nonop_delay_msecs": st.integers(0, 100),
                "trans_delay_msecs": st.integers(0, 100),
                "alua_support_offline": _BOOLS,
                "alua_support_lba_dependent": _BOOLS,
            }
        ),
    ),
    max_size=2,
    unique_by=lambda group: group["name"],
)
_IDENTIFICATION = _some(
    {
        "vendor_id": st.from_regex(r"[A-Z]{1,8}", fullmatch=True),
        "product_id": st.from_regex(r"[A-Z][A-Z0-9-]{0,15}", fullmatch=True),
        "company_id": st.sampled_from(("0x00a098", "0x001405")),
    }
)


def _possible(attributes: Item) -> Item:
    """Return TPG attributes that the kernel keeps: demo mode brings the cache of ACLs with it."""
    return {**attributes, "cache_dynamic_acls": 1} if attributes.get(_DEMO) else attributes


_DEMO = "generate_node_acls"
_TPG_ATTRIBUTES = _some(
    {
        "authentication": _BOOLS,
        "generate_node_acls": _BOOLS,
        "cache_dynamic_acls": _BOOLS,
        "demo_mode_write_protect": _BOOLS,
        "prod_mode_write_protect": _BOOLS,
        "login_timeout": st.integers(5, 30),
        "default_cmdsn_depth": st.integers(1, 512),
        "default_erl": st.integers(0, 2),
        "t10_pi": _BOOLS,
    }
).map(_possible)
_PARAMETERS = _some(
    {
        "MaxConnections": st.integers(1, 8).map(str),
        "InitialR2T": st.sampled_from(("Yes", "No")),
        "ImmediateData": st.sampled_from(("Yes", "No")),
        "HeaderDigest": st.sampled_from(("None", "CRC32C", "CRC32C,None")),
        "TargetAlias": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ]{0,10}[A-Za-z0-9]", fullmatch=True),
        "DefaultTime2Wait": st.integers(0, 3600).map(str),
    }
)
_ACL_ATTRIBUTES = _some(
    {
        "nopin_timeout": st.integers(15, 60),
        "dataout_timeout": st.integers(2, 60),
        "authentication": st.sampled_from((-1, 0, 1)),
        "random_r2t_offsets": _BOOLS,
    }
)


@st.composite
def _credentials(draw: st.DrawFn, prefix: str) -> Item:
    values = {}
    for user, password in (("userid", "password"), ("mutual_userid", "mutual_password")):
        if draw(st.booleans()):
            values[f"{prefix}{user}"] = draw(_SECRETS)
            values[f"{prefix}{password}"] = draw(_SECRETS)
    # The kernel's own word for "none" (iscsi_target_configfs.c).
    return {key: value for key, value in values.items() if not value.startswith("NULL")}


@st.composite
def _storage_object(draw: st.DrawFn, folder: Path, number: int) -> Item:
    plugin = draw(st.sampled_from(("ramdisk", "fileio", "user")))
    item: Item = {"plugin": plugin, "name": draw(_NAMES), "wwn": draw(_SERIALS)}
    if plugin == "user":
        block = draw(st.sampled_from((512, 4096)))
        sectors = draw(st.sampled_from((128, 1024)))
        area = draw(st.sampled_from((8, 64)))
        item |= {
            "size": 4096 * draw(st.integers(1, 256)),
            "config": f"file/{folder}/user{number}",
            "hw_max_sectors": sectors,
            "control": f"max_data_area_mb={area},hw_block_size={block}",
            "attributes": draw(_some({"cmd_time_out": st.integers(0, 60), "emulate_pr": _BOOLS})),
        }
        return item
    item["attributes"] = draw(_ATTRIBUTES)
    item |= draw(_IDENTIFICATION)
    if item["attributes"].get("emulate_model_alias", 0):
        item.pop("product_id", None)
    groups = draw(_GROUPS)
    for tag, group in enumerate(groups, 1):
        group["tg_pt_gp_id"] = tag * 10
    item["alua_tpgs"] = groups
    item["size"] = FILE_SIZE_BYTES
    if plugin == "ramdisk":
        if draw(st.booleans()):
            item["nullio"] = True
    else:
        path = folder / f"file{number}"
        with open(path, "wb") as file:
            file.truncate(FILE_SIZE_BYTES)
        item |= {"dev": str(path), "write_back": draw(st.booleans())}
    return item


@st.composite
def _tpg(draw: st.DrawFn, tag: int, objects: list[Item], port: int) -> Item:
    luns, used = [], set()
    for item in draw(st.lists(st.sampled_from(objects), max_size=4)) if objects else []:
        index = draw(st.integers(0, 300))
        path = tree_path("storage_objects", item)
        if index in used or path in used:
            continue
        used |= {index, path}
        lun = {"index": index, "storage_object": path, "alias": f"link{index}"}
        groups = item.get("alua_tpgs", [])
        if groups and draw(st.booleans()):
            lun["alua_tg_pt_gp_name"] = draw(st.sampled_from(groups))["name"]
        luns.append(lun)
    acls = []
    for wwn in draw(st.lists(_IQNS, max_size=3, unique=True)):
        mapped = [
            {
                "index": number,
                "tpg_lun": lun["index"],
                "write_protect": draw(st.booleans()),
                "alias": f"map{number}",
            }
            for number, lun in enumerate(luns)
            if draw(st.booleans())
        ]
        acl = {"node_wwn": wwn, "attributes": draw(_ACL_ATTRIBUTES), "mapped_luns": mapped}
        if draw(st.booleans()):
            acl["cmdsn_depth"] = draw(st.integers(1, 64))
        if draw(st.booleans()):
            acl["tag"] = draw(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True))
        acls.append({**acl, **draw(_credentials("chap_"))})
    ports = draw(st.lists(st.integers(0, 3), max_size=3, unique=True))
    return {
        "tag": tag,
        "enable": draw(st.booleans()),
        "attributes": draw(_TPG_ATTRIBUTES),
        "parameters": draw(_PARAMETERS),
        "luns": luns,
        "node_acls": acls,
        "portals": [{"ip_address": "127.0.0.1", "port": port + n} for n in ports],
        **draw(_credentials("chap_")),
    }


@st.composite
def documents(draw: st.DrawFn, folder: Path) -> Item:
    """Return a document of a few storage objects, targets and credentials."""
    objects = [draw(_storage_object(folder, n)) for n in range(draw(st.integers(0, 4)))]
    objects = list({(o["plugin"], o["name"]): o for o in objects}.values())
    targets: list[Item] = []
    for number, wwn in enumerate(draw(st.lists(_IQNS, max_size=2, unique=True))):
        tags = draw(st.lists(st.integers(1, 300), min_size=1, max_size=2, unique=True))
        tpgs = [draw(_tpg(tag, objects, 4000 + number * 20 + n * 10)) for n, tag in enumerate(tags)]
        targets.append({"fabric": "iscsi", "wwn": wwn, "tpgs": tpgs})
    # The kernel looks for a disk behind a loopback LUN: none of a device that nobody serves.
    served = [o for o in objects if o["plugin"] != "user"]
    for wwn in draw(st.lists(_NAAS, max_size=1)):
        luns = [
            {
                "index": n,
                "alias": f"l{n}",
                "storage_object": tree_path("storage_objects", o),
            }
            for n, o in enumerate(served[:2])
        ]
        tpg = {"tag": 1, "enable": True, "nexus": draw(_NAAS), "luns": luns}
        targets.append({"fabric": "loopback", "wwn": wwn, "tpgs": [tpg]})
    modules = []
    discovery = draw(_credentials("discovery_"))
    if discovery:
        modules = [{"name": "iscsi", "discovery_enable_auth": draw(st.booleans()), **discovery}]
    return {"storage_objects": objects, "fabric_modules": modules, "targets": targets}

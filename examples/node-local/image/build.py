#!/usr/bin/env python3
"""Makes the container image of node-cache without a container engine.

    RUSTFLAGS="-C target-feature=+crt-static" \\
        cargo build --release --bin node-cache --target x86_64-unknown-linux-gnu
    examples/node-local/image/build.py target/x86_64-unknown-linux-gnu/release/node-cache image.tar

The result is an OCI image layout in a tar archive, for `skopeo copy oci-archive:image.tar …`,
`podman load`, `ctr images import` and others. One layer, with the binary, its bill of materials and an
empty /etc/Corefile and /tmp. The same binary gives the same bytes. Nothing but the standard library is used.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile

USER = 65532
# A node pulls it before it has a cache.
LARGEST = 20 * 2**20
# NET_BIND_SERVICE and NET_ADMIN, permitted and effective (struct vfs_cap_data, revision 2). A container
# that is not given both cannot run the file.
CAPABILITIES = b"\x01\x00\x00\x02" + (1 << 10 | 1 << 12).to_bytes(4, "little") + bytes(12)
ARCHITECTURES = {0x3E: "amd64", 0xB7: "arm64"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path, help="a static node-cache")
    parser.add_argument("archive", type=pathlib.Path, help="the archive to be written")
    parser.add_argument("--tag", default="node-cache:latest", help="the name in the archive")
    options = parser.parse_args()
    binary = options.binary.read_bytes()
    architecture = check(binary)
    plain = layer(binary, materials())
    packed = gzip.compress(plain, mtime=0)
    if len(packed) > LARGEST:
        sys.exit(f"the image would have {len(packed) / 2**20:.1f} MiB: strip the binary")
    blobs = [packed]
    config = encode(configuration(architecture, plain))
    blobs.append(config)
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", packed)],
        }
    )
    blobs.append(manifest)
    entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    entry["platform"] = {"architecture": architecture, "os": "linux"}
    entry["annotations"] = {"org.opencontainers.image.ref.name": options.tag}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }
    write(options.archive, blobs, encode(index))
    print(f"{options.archive}: {architecture}, {len(packed) / 2**20:.1f} MiB, {entry['digest']}")


def check(binary):
    """The architecture of a static ELF file; ends the program for anything else."""
    if binary[:5] != b"\x7fELF\x02":
        sys.exit("not a 64-bit ELF file")
    architecture = ARCHITECTURES.get(int.from_bytes(binary[18:20], "little"))
    if architecture is None:
        sys.exit("neither amd64 nor arm64")
    offset = int.from_bytes(binary[32:40], "little")
    size, count = (int.from_bytes(binary[at : at + 2], "little") for at in (54, 56))
    kinds = [
        int.from_bytes(binary[at : at + 4], "little")
        for at in range(offset, offset + size * count, size)
    ]
    if 3 in kinds:  # PT_INTERP
        sys.exit("the binary needs a loader and libraries: build it with -C target-feature=+crt-static")
    return architecture


def materials():
    """What the binary is made of, in the form of CycloneDX."""
    root = pathlib.Path(__file__).resolve().parents[3]
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform"]
    command.append("x86_64-unknown-linux-gnu")
    found = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    data = json.loads(found)
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    packages = {package["id"]: package for package in data["packages"]}
    first = next(id for id, package in packages.items() if package["name"] == "dunlin")
    reached, waiting = set(), [first]
    while waiting:
        id = waiting.pop()
        if id in reached:
            continue
        reached.add(id)
        for edge in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in edge["dep_kinds"]):
                waiting.append(edge["pkg"])
    components = [
        {
            "type": "library",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:cargo/{package['name']}@{package['version']}",
            "licenses": [{"expression": package["license"]}] if package["license"] else [],
        }
        for package in (packages[id] for id in sorted(reached))
    ]
    components.sort(key=lambda component: (component["name"], component["version"]))
    return encode({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components})


def layer(binary, bill):
    """The files of the image, as a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "etc", mode=0o755)
        # The manifest of Kubernetes has the Corefile written here.
        add(archive, "etc/Corefile", b"", mode=0o644, owner=USER)
        add(archive, "node-cache", binary, mode=0o755, capabilities=CAPABILITIES)
        add(archive, "sbom.cdx.json", bill, mode=0o644)
        add(archive, "tmp", mode=0o1777)
    return out.getvalue()


def add(archive, name, content=None, mode=0o644, owner=0, capabilities=None):
    info = tarfile.TarInfo(name)
    info.mode = mode
    info.uid = info.gid = owner
    if content is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(content)
    if capabilities:
        info.pax_headers = {"SCHILY.xattr.security.capability": capabilities.decode("ascii")}
    archive.addfile(info, io.BytesIO(content or b""))


def configuration(architecture, plain):
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ["/node-cache"],
            "ExposedPorts": {"53/tcp": {}, "53/udp": {}, "9253/tcp": {}},
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
        "history": [{"created_by": "examples/node-local/image/build.py"}],
    }


def write(path, blobs, index):
    with tarfile.open(path, mode="w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
        add(archive, "index.json", index)
        for blob in blobs:
            add(archive, "blobs/sha256/" + digest(blob).split(":")[1], blob)


def descriptor(media_type, blob):
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}


def digest(blob):
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def encode(value):
    return json.dumps(value, indent=1, sort_keys=True).encode()


if __name__ == "__main__":
    main()

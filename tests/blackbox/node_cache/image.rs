//! The image that `examples/node-local/image/build.py` makes: a layout as OCI describes it, with one layer
//! that needs nothing else.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::manifests::example;
use super::namespace::find;

/// The smallest program that needs no loader and no library: writes a line, and ends well. It is for
/// x86-64, as the header says; elsewhere it can be packed, not run.
fn program() -> Vec<u8> {
    const LINE: &[u8] = b"served\n";
    const CODE: &[u8] = &[
        0xb8, 1, 0, 0, 0, // mov eax, write
        0xbf, 1, 0, 0, 0, // mov edi, standard output
        0x48, 0x8d, 0x35, 16, 0, 0, 0, // lea rsi, [rip + 16]: the line
        0xba, 7, 0, 0, 0, // mov edx, its length
        0x0f, 0x05, // syscall
        0xb8, 60, 0, 0, 0, // mov eax, exit
        0x31, 0xff, // xor edi, edi
        0x0f, 0x05, // syscall
    ];
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + u64::try_from(CODE.len() + LINE.len()).unwrap();
    let mut octets = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for number in [BASE + HEADERS, 64, 0] {
        octets.extend(u64::to_le_bytes(number));
    }
    octets.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    octets.extend([1, 0, 0, 0, 5, 0, 0, 0]); // PT_LOAD, to be read and run
    for number in [0, BASE, BASE, size, size, 0x1000] {
        octets.extend(u64::to_le_bytes(number));
    }
    [&octets, CODE, LINE].concat()
}

/// An image that was built and unpacked; `None` without the tools.
struct Image {
    root: TempDir,
    said: String,
}

fn build(binary: &Path, root: TempDir) -> Result<Image, Output> {
    let archive = root.path().join("image.tar");
    let output = Command::new("python3")
        .arg(example("image/build.py"))
        .args([binary, &archive])
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(output);
    }
    let image = Image { root, said: String::from_utf8(output.stdout).unwrap() };
    image.run("tar", &["-xf", "image.tar"]);
    Ok(image)
}

impl Image {
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).current_dir(self.root.path()).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn json(&self, path: impl AsRef<Path>) -> Value {
        serde_json::from_slice(&fs::read(self.root.path().join(path)).unwrap()).unwrap()
    }

    /// What a descriptor describes.
    fn blob(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let path = self.root.path().join("blobs/sha256").join(digest);
        assert_eq!(descriptor["size"], fs::metadata(&path).unwrap().len());
        assert!(self.run("sha256sum", &[path.to_str().unwrap()]).starts_with(digest));
        path
    }
}

fn has_tools() -> bool {
    let needed = ["python3", "tar", "gzip", "sha256sum", "chroot"];
    let missing: Vec<_> = needed.into_iter().filter(|tool| find(tool).is_none()).collect();
    if !missing.is_empty() {
        eprintln!("SKIP: tools are missing to make an image: {missing:?}");
    }
    missing.is_empty()
}

#[test]
fn the_image_is_a_layout_with_one_layer_that_runs_by_itself() {
    if !has_tools() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let binary = root.path().join("program");
    fs::write(&binary, program()).unwrap();
    let image = build(&binary, root).unwrap_or_else(|output| panic!("{output:?}"));
    assert!(
        image.said.contains(": amd64, ") && image.said.contains(" MiB, sha256:"),
        "{}",
        image.said
    );
    assert_eq!(image.json("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
    let index = image.json("index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["platform"], json!({"architecture": "amd64", "os": "linux"}));
    let manifest = image.json(image.blob(&index["manifests"][0]));
    let config = image.json(image.blob(&manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/node-cache"]));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = image.blob(&manifest["layers"][0]);
    let plain = Command::new("gzip").arg("-dc").arg(&layer).output().unwrap().stdout;
    fs::write(image.root.path().join("layer.tar"), &plain).unwrap();
    let digest = image.run("sha256sum", &["layer.tar"]);
    let digest = format!("sha256:{}", digest.split(' ').next().unwrap());
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest]));

    let listed = image.run("tar", &["-tvf", "layer.tar"]);
    let modes: HashMap<&str, &str> = listed
        .lines()
        .filter_map(|line| Some((line.split(' ').next_back()?, line.split(' ').next()?)))
        .collect();
    assert_eq!(modes["node-cache"], "-rwxr-xr-x", "{listed}");
    assert_eq!(modes["tmp/"], "drwxrwxrwt", "{listed}");
    assert!(
        listed.lines().any(|line| line.contains("65532/65532") && line.ends_with("etc/Corefile"))
    );
    // NET_BIND_SERVICE and NET_ADMIN, permitted and effective.
    let rights = [&b"SCHILY.xattr.security.capability="[..], &[1, 0, 0, 2, 0, 0x14, 0, 0]].concat();
    assert!(plain.windows(rights.len()).any(|window| window == rights));

    image.run("tar", &["-xf", "layer.tar", "--one-top-level=rootfs", "--no-same-owner"]);
    let bill = image.json("rootfs/sbom.cdx.json");
    let names: Vec<_> = bill["components"].as_array().unwrap().iter().collect();
    assert!(names.iter().any(|component| component["name"] == "hickory-proto"), "{bill}");
    assert!(!names.iter().any(|component| component["name"] == "proptest"), "{bill}");
    let runs = Command::new("chroot")
        .current_dir(image.root.path())
        .args(["rootfs", "/node-cache"])
        .output();
    let runs = runs.unwrap();
    if String::from_utf8_lossy(&runs.stderr).contains("Operation not permitted") {
        return eprintln!("SKIP: only root may run something with another root directory");
    }
    if cfg!(target_arch = "x86_64") {
        assert_eq!(String::from_utf8_lossy(&runs.stdout), "served\n", "{runs:?}");
    }
}

#[test]
fn what_needs_a_loader_or_is_too_large_makes_no_image() {
    if !has_tools() {
        return;
    }
    let told = |octets: &[u8]| {
        let root = tempfile::tempdir().unwrap();
        let binary = root.path().join("program");
        fs::write(&binary, octets).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let Err(output) = build(&binary, root) else {
            panic!("an image of {} octets", octets.len())
        };
        String::from_utf8(output.stderr).unwrap()
    };
    let mut dynamic = program();
    dynamic[64] = 3; // PT_INTERP
    assert!(told(&dynamic).contains("needs a loader and libraries"));
    assert!(told(b"#!/bin/sh\n").contains("not a 64-bit ELF file"));
    // Octets that cannot be packed.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let large: Vec<u8> = noise.take((21 << 20) / 8).flatten().collect();
    assert!(told(&[program(), large].concat()).contains("strip the binary"));
}

//! The lab's small clients in Java and Go, compiled once: starting a compiler in every leg would measure nothing but patience.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles what there are compilers for; the folder.
pub(crate) fn built() -> std::io::Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/clients");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    std::fs::create_dir_all(folder.join("java"))?;
    for class in ["Get", "GetHttpClient", "Pinned"] {
        let source = sources.join(format!("java/{class}.java"));
        let result = folder.join(format!("java/{class}.class"));
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(folder.join("java")).arg(&source);
        make(&source, &result, javac);
    }
    for (name, source) in [("get", "go/get.go"), ("pinned", "go-pinned/pinned.go")] {
        let (source, result) = (sources.join(source), folder.join(name));
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&result).arg(&source);
        make(&source, &result, go);
    }
    Ok(folder)
}

/// Runs the compiler unless the result is newer than its source. What cannot be compiled is missed later, by name.
fn make(source: &Path, result: &Path, mut compiler: Command) {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    if changed(result) > changed(source) {
        return;
    }
    match compiler.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => eprintln!("{compiler:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("{compiler:?}: {error}"),
    }
}

//! The binary `irontail`.

fn main() -> std::process::ExitCode {
    irontail::main()
}

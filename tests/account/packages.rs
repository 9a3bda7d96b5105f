//! A package starts on Lambda's runtime, has the same bytes for the same programs, and has a template that CloudFormation takes.

mod fixture;

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use guardrails_lambdas::part::{Names, Part};
use guardrails_template::artifacts::{Architecture, Artifact, Local, PROGRAM, Runtime, check_signed, functions, hash_in, pack};
use guardrails_template::{CODE_OUTPUT, LONGEST_STACK_NAME, Limits, capability, check_parameters, check_stack_name};
use serde_json::json;
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use self::fixture::{GLIBC_2_34, Sample};

const X86: Runtime = Runtime::Lambda(Architecture::X86_64);
const ARM: Runtime = Runtime::Lambda(Architecture::Arm64);

/// A folder with this as the functions' program.
fn folder(program: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(PROGRAM), program).unwrap();
    folder
}

fn packed(program: &[u8], runtime: Runtime) -> Result<Artifact, String> {
    pack(folder(program).path(), runtime).map_err(|error| error.to_string())
}

fn refused(sample: &Sample, runtime: Runtime, found: &str) {
    let said = packed(&sample.bytes(), runtime).map(|_| ()).expect_err(found);
    for words in [found, "would not start on Lambda", "glibc 2.34 or older", "cargo xtask functions --architecture"] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
}

#[test]
fn program_that_the_runtime_starts_is_packed() {
    for (sample, runtime) in [
        (Sample::x86_64(), X86),
        (Sample::arm64(), ARM),
        (Sample { versions: vec!["GLIBC_2.2.5", "GLIBC_2.17", "GCC_3.0", GLIBC_2_34], ..Sample::x86_64() }, X86),
        (Sample { libraries: vec!["libgcc_s.so.1", "libm.so.6", "libc.so.6"], ..Sample::x86_64() }, X86),
        // The loader does not insist on a weak version, which is only needed where it is there.
        (Sample { weak_versions: vec!["GLIBC_2.39"], ..Sample::x86_64() }, X86),
        (Sample::static_x86_64(), X86),
    ] {
        let artifact = packed(&sample.bytes(), runtime).unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(artifact.zip)).unwrap();
        let mut program = Vec::new();
        zip.by_name("bootstrap").unwrap().read_to_end(&mut program).unwrap();
        assert_eq!((zip.len(), program), (1, sample.bytes()));
    }
}

#[test]
fn program_that_runtime_would_not_start_is_refused_with_reason() {
    let x86 = Sample::x86_64;
    refused(&Sample { versions: vec!["GLIBC_2.39", GLIBC_2_34, "GLIBC_2.4"], ..x86() }, X86, "it needs GLIBC_2.39");
    refused(&Sample { versions: vec!["GLIBC_2.35"], ..Sample::arm64() }, ARM, "it needs GLIBC_2.35");
    refused(&Sample { versions: vec![GLIBC_2_34, "GLIBC_ABI_DT_RELR"], ..x86() }, X86, "it needs GLIBC_ABI_DT_RELR");
    refused(&Sample { versions: vec![], ..x86() }, X86, "does not say which versions of the C library");
    refused(&Sample { interpreter: Some("/lib/ld-musl-x86_64.so.1"), ..x86() }, X86, "/lib/ld-musl-x86_64.so.1");
    refused(&Sample { libraries: vec!["libc.so.6", "libssl.so.3"], ..x86() }, X86, "it needs libssl.so.3");
    refused(&Sample { interpreter: None, ..x86() }, X86, "it is a library");
    refused(&Sample { entry: 0, ..x86() }, X86, "it is a library");
    refused(&x86(), ARM, "it is for x86_64");
    refused(&Sample::arm64(), X86, "it is for arm64");
    refused(&Sample { is_64: false, ..x86() }, X86, "it is not 64-bit");
    refused(&Sample { little_endian: false, ..x86() }, X86, "it is not little-endian");
    refused(&Sample { system: 9, ..x86() }, X86, "it is for another system than Linux");
}

#[test]
fn file_that_is_no_program_is_refused() {
    for (bytes, found) in [
        (&b"#!/bin/sh\necho hello\n"[..], "it is no ELF file"),
        (b"", "it is no ELF file"),
        (b"\x7fELF", "it is not 64-bit"),
        (b"\x7fELF\x02\x01\x01", "its header cannot be read"),
    ] {
        let said = packed(bytes, X86).map(|_| ()).unwrap_err();
        assert!(said.contains(found), "{said}");
    }
    // However a program was cut short, it is refused, and nothing panics.
    let whole = Sample::x86_64().bytes();
    for length in 0..whole.len() {
        assert!(packed(&whole[..length], X86).is_err(), "cut after {length} bytes of {}", whole.len());
    }
    let missing = pack(Path::new("/nowhere"), X86).map(|_| ()).unwrap_err().to_string();
    assert!(
        missing.contains("have no program at /nowhere/guardrails-functions") && missing.contains("cargo xtask functions"),
        "{missing}"
    );
}

#[test]
fn only_local_aws_gets_programs_that_are_not_checked() {
    let newer = Sample { versions: vec!["GLIBC_2.99"], ..Sample::x86_64() };
    // This test is such: see .cargo/config.toml.
    assert!(packed(&newer.bytes(), Runtime::ThisMachine(Local::proven().unwrap())).is_ok());
    let file = include_str!("../../examples/guardrails.yaml");
    let programs = folder(&newer.bytes());
    std::fs::write(programs.path().join("guardrails.yaml"), file).unwrap();
    let package = |guard: Option<&str>, runtime: Option<&str>| {
        let mut command = std::process::Command::new(crate::deployed::guardrails());
        command.args(["package", "--functions", ".", "--out", "out"]).current_dir(programs.path());
        command.env_remove("GUARDRAILS_LOCAL_ONLY").env_remove("GUARDRAILS_RUNTIME");
        command.envs(guard.map(|value| ("GUARDRAILS_LOCAL_ONLY", value)));
        command.envs(runtime.map(|value| ("GUARDRAILS_RUNTIME", value)));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (packed, said) = package(Some("1"), None);
    assert!(!packed && said.contains("it needs GLIBC_2.99"), "{said}");
    for guard in [None, Some("0")] {
        let (packed, said) = package(guard, Some("this-machine"));
        assert!(!packed && said.contains("may reach the real one") && said.contains("GUARDRAILS_RUNTIME"), "{said}");
    }
    assert!(package(Some("1"), Some("this-machine")).0);
}

#[test]
fn same_programs_are_the_same_bytes_in_any_place_at_any_time() {
    let program = Sample::x86_64().bytes();
    let (here, there) = (folder(&program), folder(&program));
    let file = std::fs::File::open(there.path().join(PROGRAM)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(24)).unwrap();
    let [first, second] = [&here, &there].map(|folder| pack(folder.path(), X86).unwrap());
    assert_eq!((&first.key, first.zip), (&second.key, second.zip));
    // Another program has another key: so a stack sees the change.
    let other = packed(&Sample { entry: 0x2000, ..Sample::x86_64() }.bytes(), X86).unwrap();
    assert_ne!(first.key, other.key);
}

#[test]
fn template_names_its_capability_and_is_within_the_limits() {
    let mut template = crate::account::alarms::rendered();
    let limits = Limits::check(&template, &template.to_string()).unwrap();
    assert!(limits.needs_bucket, "so `guardrails package` says --s3-bucket");
    assert_eq!(capability(&template), "CAPABILITY_IAM");
    template["Resources"]["MasterRole"]["Properties"]["RoleName"] = json!("master");
    assert_eq!(capability(&template), "CAPABILITY_NAMED_IAM");
    assert!(!Limits::check(&json!({"Resources": {}}), "{}").unwrap().needs_bucket);
    let resources: serde_json::Map<_, _> = (0..501).map(|number| (format!("R{number}"), json!({}))).collect();
    let refused = Limits::check(&json!({"Resources": resources}), "").map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("501 resources") && refused.contains("a stack of their own"), "{refused}");
    assert!(Limits::check(&template, &" ".repeat(1_000_001)).is_err());
}

#[test]
fn stack_name_leaves_room_for_names_of_roles_and_functions() {
    let template = crate::account::alarms::rendered();
    let resources = template["Resources"].as_object().unwrap();
    let roles = resources.iter().filter(|(_, one)| one["Type"] == "AWS::IAM::Role").map(|(name, _)| name.len());
    // The stack's name, the role's, and 13 letters by chance, with hyphens between.
    let by_roles = 64 - (roles.max().unwrap() + 13 + 2);
    let functions = functions().into_iter().map(str::len);
    let by_functions = 64 - (functions.max().unwrap() + 1);
    assert!(LONGEST_STACK_NAME <= by_roles.min(by_functions), "{by_roles} {by_functions}");
    check_stack_name(&"s".repeat(LONGEST_STACK_NAME)).unwrap();
    let refused = check_stack_name(&"s".repeat(LONGEST_STACK_NAME + 1)).unwrap_err().to_string();
    assert!(refused.contains("has 30 letters, and may have 29"), "{refused}");
}

#[test]
fn policies_that_iam_would_refuse_are_refused_before_deploying() {
    let render = |groups: usize| {
        let groups: Vec<String> = (0..groups).map(|number| format!("TheGroupOfTheProjectNumber{number}")).collect();
        let deny = format!("- deny-actions: {{ group: [{}] }}", groups.join(", "));
        let file = format!(
            "version: 1\nguardrails:\n  beta:\n    budget: {{ amount: 2 USD, period: monthly, tag: {{ Project: Beta }} }}\n    stages:\n      \
             - at: 100% actual\n        do:\n          {deny}\n"
        );
        let config = guardrails_aws::actions::CATALOG.parse("guardrails.yaml", &file).unwrap();
        guardrails_template::render(&config, "functions.zip").map(|_| ()).map_err(|error| error.to_string())
    };
    render(10).unwrap();
    render(200).unwrap();
    let refused = render(900).unwrap_err();
    assert!(refused.contains("the rights of `DenyActionsRole`") && refused.contains("the 10 policies of a role"), "{refused}");
    assert!(refused.contains("a stack of their own (--stack-name)"), "{refused}");
}

#[test]
fn only_what_no_option_sets_is_set_as_a_parameter() {
    let template = crate::account::alarms::rendered();
    let given = |words: &[(&str, &str)]| {
        let words: Vec<_> = words.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check_parameters(&template, &words).map_err(|error| error.to_string())
    };
    given(&[("EncryptTopics", "false"), ("LogRetentionDays", "365")]).unwrap();
    for (name, how) in [
        ("ArtifactBucket", "--bucket"),
        ("Architecture", "--architecture"),
        ("Deployer", "whose credentials"),
        ("LedgerTable", "--adopt-ledger"),
        ("NotifyEmail", "--notify-email"),
        ("Colour", "there are: LogRetentionDays, EncryptTopics, CodeSigningConfigArn, PermissionsBoundary"),
    ] {
        let refused = given(&[(name, "x")]).unwrap_err();
        assert!(refused.contains(how), "{refused}");
    }
    assert!(given(&[("LogRetentionDays", "100")]).unwrap_err().contains("expected one of 7, 14, 30"));
    assert!(given(&[("EncryptTopics", "true"), ("EncryptTopics", "false")]).unwrap_err().contains("twice"));
}

#[test]
fn packaged_template_takes_only_the_processor_of_its_code() {
    let mut template = crate::account::alarms::rendered();
    assert_eq!(template["Parameters"]["Architecture"]["AllowedValues"], json!(["x86_64", "arm64"]));
    guardrails_template::carry_code_for(&mut template, Architecture::Arm64);
    let parameter = &template["Parameters"]["Architecture"];
    assert_eq!((&parameter["Default"], &parameter["AllowedValues"]), (&json!("arm64"), &json!(["arm64"])));
    let functions = template["Resources"].as_object().unwrap().values().filter(|one| one["Type"] == "AWS::Lambda::Function");
    for function in functions {
        assert_eq!(function["Properties"]["Architectures"], json!([{"Ref": "Architecture"}]));
    }
}

#[test]
fn each_function_runs_the_one_object_as_its_own_part() {
    let file = include_str!("../../examples/all-actions.yaml");
    let template =
        guardrails_template::render(&guardrails_aws::actions::CATALOG.parse("all-actions.yaml", file).unwrap(), "functions.zip")
            .unwrap();
    let resources = template["Resources"].as_object().unwrap().values();
    let mut parts = Vec::new();
    for function in resources.filter(|one| one["Type"] == "AWS::Lambda::Function") {
        let properties = &function["Properties"];
        assert_eq!(properties["Code"], json!({"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": "functions.zip"}));
        let signing = json!({"Fn::If": ["HasCodeSigning", {"Ref": "CodeSigningConfigArn"}, {"Ref": "AWS::NoValue"}]});
        assert_eq!(properties["CodeSigningConfigArn"], signing);
        let name = properties["FunctionName"]["Fn::Sub"].as_str().unwrap();
        let names = Names {
            function: name.replace("${AWS::StackName}", "the-stack"),
            stack: "the-stack".to_owned(),
            handler: properties["Handler"].as_str().unwrap().to_owned(),
        };
        let part = Part::of(&names).unwrap().name();
        assert_eq!(part, names.handler, "the handler names the part");
        assert_eq!(properties["Environment"]["Variables"]["STACK_NAME"], json!({"Ref": "AWS::StackName"}), "{part}");
        parts.push(part);
    }
    let mut all = functions();
    for list in [&mut parts, &mut all] {
        list.sort_unstable();
    }
    assert_eq!(parts, all);
}

#[test]
fn template_names_the_deployed_code_in_its_outputs() {
    let template = crate::account::alarms::rendered();
    assert_eq!(template["Outputs"][CODE_OUTPUT]["Value"], json!({"Fn::Sub": "${ArtifactBucket}/functions.zip"}));
    let packed = packed(&Sample::x86_64().bytes(), X86).unwrap();
    let sum = Sha256::digest(&packed.zip).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert!(sum.starts_with(hash_in(&packed.key).unwrap()));
    for other in ["guardrails/signed-0123.zip", "functions-0123456789abcdef0123.zip", "guardrails/functions-0123.zip"] {
        assert_eq!(hash_in(other), None, "{other}");
    }
}

#[test]
fn signed_zip_must_hold_the_packed_program_and_nothing_else() {
    let options = |mode| SimpleFileOptions::default().unix_permissions(mode);
    let program = Sample::x86_64().bytes();
    let packed = packed(&program, X86).unwrap().zip;
    let signed = |program: &[u8], mode: u32, other: &str| {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in [("bootstrap", program), (other, b"signature".as_slice())] {
            zip.start_file(name, options(mode)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let zip = zip.finish().unwrap().into_inner();
        check_signed(&zip, &packed).map_err(|why| format!("{why:#}"))
    };
    let signature = "META-INF/aws_signer_signature_v1.0.SF";
    signed(&program, 0o755, signature).unwrap();
    assert!(signed(b"another", 0o755, signature).unwrap_err().contains("is not the one that was packed here"));
    assert!(signed(&program, 0o755, "lib/preload.so").unwrap_err().contains("more than the program: lib/preload.so"));
    assert!(signed(&program, 0o644, signature).unwrap_err().contains("may not be executed"));
    assert!(check_signed(b"no zip", &packed).is_err());
}

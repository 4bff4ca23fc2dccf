//! What programs are given and may do, and where it ends when they do wrong.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod harness;

use std::{fs, path::Path, thread, time::Duration};

use bertillon::{
    InputSelector, Mode, Stream, Suspects,
    testkit::{self, ToyModel},
};
use harness::{Scripts, bare_selector, method, selector, variant, with};
use serde_json::{Value, json};
use tch::Device;

const IMAGE_VARIANT: &str =
    "{'role': 'variant', 'kind': 'odd', 'group': 'input', 'acts_on': 'images'}";

fn error(parameters: &Value) -> String {
    selector(parameters).err().expect("refused").to_string()
}

#[test]
fn one_that_ends_says_how_and_its_last_words_are_shown() {
    let scripts = Scripts::new();
    let ends = scripts.script("ends.py", "import sys\nsys.exit('no licence found')");
    let said = error(&ends);
    assert!(
        said.starts_with("`ends.py`: it ended with exit code 1 instead of answering"),
        "{said}"
    );
    assert!(said.ends_with("on standard error: no licence found"), "{said}");
    let killed = scripts.script("killed.py", "import os\nos.kill(os.getpid(), 11)");
    assert!(error(&killed).contains("it was ended by signal 11"));
    let absent = with(killed, "interpreter", json!(["/no/such/python"]));
    let said = error(&absent);
    assert!(said.contains("/no/such/python") && said.contains("can't be started"), "{said}");
}

#[test]
fn what_is_no_reply_is_shown_and_refused() {
    let scripts = Scripts::new();
    let talks = scripts.script("talks.py", "print('hello\\x1b[31m')\ninput()");
    let said = error(&talks);
    assert!(said.starts_with(r"`talks.py`: it answered `hello\u{1b}[31m\n`: "), "{said}");
    let other = scripts.answering("other.py", "return {'id': 99, 'ok': {'role': 'selector'}}");
    assert!(error(&other).contains("it answered call 99 when asked "));
    let neither = scripts.answering("neither.py", "return {}");
    assert!(error(&neither).contains("neither `ok` nor `error`"));
    let role = scripts.answering("role.py", &format!("return {{'ok': {IMAGE_VARIANT}}}"));
    assert_eq!(error(&role), "the program says that it selects no inputs");
    let refuses = scripts.answering("refuses.py", "return {'error': 'not on Tuesdays'}");
    assert_eq!(error(&refuses), "`refuses.py`: not on Tuesdays");
    let endless = scripts.script("endless.py", "while True: print('x' * 1000000, end='')");
    let said = error(&endless);
    assert!(said.contains("a line of more than 64 MiB"), "{said}");
}

#[test]
fn one_that_hangs_is_ended_with_what_it_started() {
    let scripts = Scripts::new();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\n\
         open({:?}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(1000)",
        trace.path()
    );
    let hangs = with(scripts.script("hangs.py", &text), "time_limit", json!(3.0));
    let said = error(&hangs);
    assert!(said.contains("no answer within 3 s (`time_limit`)"), "{said}");
    let started = fs::read_to_string(trace.path()).unwrap();
    assert_eq!(started.split_whitespace().count(), 2);
    for process in started.split_whitespace() {
        assert!(has_ended(process), "process {process} is left");
    }
}

/// Whether a process is gone, or only waits to be buried, soon.
fn has_ended(process: &str) -> bool {
    let status = Path::new("/proc").join(process).join("stat");
    (0..100).any(|_| {
        let alive = fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z "));
        if alive {
            thread::sleep(Duration::from_millis(20));
        }
        !alive
    })
}

#[test]
fn processes_end_with_the_last_plugin_that_uses_them() {
    let scripts = Scripts::new();
    let answer = "if request['call'] == 'describe': return {'ok': {'role': 'selector'}}\n\
                  child = subprocess.Popen(['sleep', '1000'])\n\
                  return {'ok': {'indices': [os.getpid(), child.pid]}}";
    let parameters = scripts.answering("pids.py", answer);
    let [one, other] = [(); 2].map(|()| bare_selector(&parameters));
    let owner = testkit::owner(8);
    let ask = |selector: &bertillon_command::selector::Command| {
        selector.select(&owner, 2, &mut Stream::named(0, ["draw"])).unwrap()
    };
    let (first, second) = (ask(&one), ask(&other));
    assert_eq!(first[0], second[0], "plugins that are started alike share their processes");
    drop(one);
    assert!(Path::new("/proc").join(first[0].to_string()).exists());
    drop(other);
    for process in [first[0], first[1], second[1]] {
        assert!(has_ended(&process.to_string()), "process {process} is left");
    }
}

#[test]
fn a_thousand_calls_of_four_threads_are_served_by_four_processes_at_most() {
    let scripts = Scripts::new();
    let answer = "if request['call'] == 'describe': return {'ok': {'role': 'selector'}}\n\
                  return {'ok': {'indices': [os.getpid()]}}";
    let selector = bare_selector(&scripts.answering("pid.py", answer));
    let mut processes: Vec<u32> = thread::scope(|scope| {
        let ask = || {
            let owner = testkit::owner(8);
            let mut stream = Stream::named(0, ["draw"]);
            (0..250)
                .flat_map(|_| selector.select(&owner, 1, &mut stream).unwrap())
                .collect::<Vec<u32>>()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<u32>>()
    });
    assert_eq!(processes.len(), 1000);
    processes.sort_unstable();
    processes.dedup();
    assert!((1..=4).contains(&processes.len()), "{processes:?}");
}

#[test]
fn one_that_failed_is_replaced_and_one_that_refused_is_asked_again() {
    let scripts = Scripts::new();
    let answer = "if request['call'] == 'describe': return {'ok': {'role': 'selector'}}\n\
                  if request['budget'] == 1: sys.exit('gone')\n\
                  if request['budget'] == 2: return {'error': 'never two'}\n\
                  return {'ok': {'indices': [os.getpid()]}}";
    let selector = bare_selector(&scripts.answering("moody.py", answer));
    let owner = testkit::owner(8);
    let select = |budget| selector.select(&owner, budget, &mut Stream::named(0, ["draw"]));
    let first = select(3).unwrap();
    assert!(select(2).unwrap_err().to_string().contains("never two"));
    assert_eq!(select(3).unwrap(), first);
    assert!(select(1).unwrap_err().to_string().contains("gone"));
    assert_ne!(select(3).unwrap(), first);
}

#[test]
fn memory_is_limited() {
    let scripts = Scripts::new();
    let answer = "try: held = bytearray(1 << 29)\n\
                  except MemoryError: return {'error': 'out of memory'}\n\
                  return {'ok': {'role': 'selector'}}";
    let greedy = scripts.answering("greedy.py", answer);
    assert!(selector(&greedy).is_ok());
    let limited = with(greedy, "memory_limit", json!(256));
    assert_eq!(error(&limited), "`greedy.py`: out of memory");
}

#[test]
fn the_environment_is_clean_but_for_what_the_suite_names() {
    let scripts = Scripts::new();
    // In sh, since some installations of Python bring variables of their own.
    let text = "read request\nnames=$(env | cut -d= -f1 | sort | tr '\\n' ' ')\n\
                printf '{\"id\":0,\"error\":\"%s in %s\"}\\n' \"$names\" \"$PWD\"";
    let tells = with(scripts.script("tells.sh", text), "interpreter", json!(["sh"]));
    let said = error(&tells);
    let known = "_ HOME LANG MKL_NUM_THREADS OLDPWD OMP_NUM_THREADS OPENBLAS_NUM_THREADS PATH PWD \
                 PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PYTHONPATH PYTHONUNBUFFERED SHLVL TMPDIR";
    let (names, folder) = said["`tells.sh`: ".len()..].split_once("  in ").unwrap();
    let is_known = |name: &&str| known.split_whitespace().any(|known| known == *name);
    let unknown: Vec<&str> = names.split(' ').filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(folder.contains("bertillon-") && folder.contains("process-"), "{folder}");
    // Cargo sets it for tests.
    let named = with(tells, "environment", json!(["CARGO_MANIFEST_DIR", "NOT_SET_ANYWHERE"]));
    let said = error(&named);
    assert!(
        said.contains(" CARGO_MANIFEST_DIR ") || said.contains(": CARGO_MANIFEST_DIR "),
        "{said}"
    );
    assert!(!said.contains("NOT_SET_ANYWHERE"));
}

/// A program of image variants that describes itself, and does `transform` for everything else.
fn transforming(scripts: &Scripts, name: &str, transform: &str) -> String {
    let answer =
        format!("if request['call'] == 'describe': return {{'ok': {IMAGE_VARIANT}}}\n{transform}");
    let generator = variant(&scripts.answering(name, &answer)).unwrap();
    assert_eq!(generator.variation().to_string(), "odd");
    let derived = generator.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).unwrap();
    let images = testkit::images(3, 0).tensor(Device::Cpu);
    derived.model.logits(&images, Mode::Evaluation).unwrap_err().to_string()
}

#[test]
fn images_that_are_not_those_asked_for_are_refused() {
    let scripts = Scripts::new();
    let said = transforming(&scripts, "lazy.py", "return {'ok': {}}");
    assert!(said.contains("they were not written, though it says so"), "{said}");
    let said = transforming(
        &scripts,
        "cuts.py",
        "data = open(request['images'], 'rb').read()\n\
         open(request['output'], 'wb').write(data[:-1])\nreturn {'ok': {}}",
    );
    assert!(said.contains("truncated, damaged or still being written"), "{said}");
    let said = transforming(
        &scripts,
        "links.py",
        "os.symlink('/etc/passwd', request['output'])\nreturn {'ok': {}}",
    );
    assert!(said.contains("no plain file"), "{said}");
}

#[test]
fn a_kind_that_reports_could_not_name_is_refused() {
    let scripts = Scripts::new();
    let answer = "return {'ok': {'role': 'variant', 'kind': '<b>odd</b>', 'group': 'input', 'acts_on': 'images'}}";
    let said = variant(&scripts.answering("kind.py", answer)).err().unwrap().to_string();
    assert_eq!(said, "its kind `<b>odd</b>` must be in kebab-case");
    let answer =
        "return {'ok': {'role': 'variant', 'kind': 'odd', 'group': 'magic', 'acts_on': 'images'}}";
    let said = variant(&scripts.answering("group.py", answer)).err().unwrap().to_string();
    assert!(said.contains("unknown variant `magic`"), "{said}");
}

#[test]
fn distances_are_one_a_suspect_and_never_nan() {
    let scripts = Scripts::new();
    let judged = |name: &str, distances: &str| {
        let answer = format!(
            "if request['call'] == 'describe': return {{'ok': {{'role': 'method'}}}}\n\
             if request['call'] == 'enroll': return {{'ok': {{'queries': [3, 1]}}}}\n\
             return {{'ok': {{'distances': {distances}}}}}"
        );
        let method = method(&scripts.answering(name, &answer)).unwrap();
        let owner = testkit::owner(8);
        let fingerprint = method.enroll(&owner, None, 2, &mut Stream::named(0, ["draw"])).unwrap();
        assert_eq!(fingerprint.queries.pool, [3, 1]);
        assert_eq!(fingerprint.reference, owner.answers.gather(&[3, 1]));
        let answers: Vec<_> = owner.peers.iter().map(|peer| peer.answers.clone()).collect();
        let table = bertillon::AnswerTable::from_models(&answers).unwrap();
        let mut out = vec![0.0; answers.len()];
        let outcome = method.distances(&fingerprint, &Suspects::new(&table, &[3, 1], 1), &mut out);
        outcome.map(|()| out).map_err(|error| error.to_string())
    };
    assert_eq!(judged("fine.py", "[0.5, None, 0, -1]"), Ok(vec![0.5, f64::INFINITY, 0.0, -1.0]));
    assert_eq!(judged("few.py", "[1]"), Err("the program judged 1 suspects of 4".to_owned()));
    let nan = judged("nan.py", "[float('nan')] * 4").unwrap_err();
    assert!(nan.contains("it answered `") && nan.contains("NaN"), "{nan}");
}

#[test]
fn crafted_queries_are_answered_by_the_owners_own_model_which_the_program_gets_as_a_file() {
    let scripts = Scripts::new();
    // It sends the whole pool as if it had crafted it.
    let answer = "if request['call'] == 'describe':\n    \
                  return {'ok': {'role': 'method', 'knowledge': ['model'], 'crafts': True, 'ranks': 2}}\n\
                  folder = request['owner']['folder']\n\
                  if not open(folder + '/model.pt', 'rb').read().startswith(b'PK'): return {'error': 'no model'}\n\
                  open(request['output'], 'wb').write(open(folder + '/images.npy', 'rb').read())\n\
                  return {'ok': {'crafted': True, 'state': [0.5], 'notes': {'steps': 3}}}";
    let method = method(&scripts.answering("crafts.py", answer)).unwrap();
    let needs = method.needs();
    assert!(needs.crafts && needs.knowledge.model && !needs.selector);
    assert_eq!(needs.access.ranks(), 2);
    let owner = testkit::owner(8);
    let enroll = |budget| method.enroll(&owner, None, budget, &mut Stream::named(0, ["bank"]));
    let fingerprint = enroll(8).unwrap();
    assert_eq!(fingerprint.queries.crafted.as_ref(), owner.pool.images.as_ref());
    assert_eq!(fingerprint.reference, owner.answers.restricted_to(needs.access).unwrap());
    assert_eq!(
        (fingerprint.state, fingerprint.notes),
        (vec![0.5], vec![("steps".to_owned(), 3.0)])
    );
    let said = enroll(5).unwrap_err().to_string();
    assert!(said.contains("expected [5, "), "{said}");
}

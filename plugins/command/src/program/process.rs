//! One process: started with limits and a clean environment, asked line by line, ended with all it started.

use std::{
    collections::VecDeque,
    env,
    ffi::{OsStr, OsString},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, Once, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use bertillon::{Error, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use tempfile::TempDir;

use super::params::{Start, Surroundings};

/// Longest line that is read: a distance for each of a million suspects.
const LONGEST_LINE: u64 = 64 << 20;
/// Last bytes of standard error that are kept.
const KEPT: usize = 4096;
/// Last lines of them that are shown.
const SHOWN: usize = 8;

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    /// As the user knows it.
    name: String,
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<io::Result<String>>,
    errors: Arc<Mutex<VecDeque<u8>>>,
    /// In bytes, where there is one.
    memory_limit: Option<u64>,
    /// Its own folder.
    _folder: TempDir,
}

impl Process {
    /// Starts one in `folder`, with the Python modules of `modules`.
    pub(super) fn start(start: &Start, folder: TempDir, modules: &Path) -> Result<Self> {
        let words: Vec<_> = start.words.iter().map(|word| word.display().to_string()).collect();
        let words = words.join(" ");
        let failed =
            |error: io::Error| Error::Refused(format!("`{words}` can't be started: {error}"));
        let (program, arguments) = start.words.split_first().expect("a script at least");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let (name, memory_limit) = match &start.surroundings {
            Surroundings::Clean { environment, memory_limit } => {
                command.current_dir(folder.path());
                set_environment(&mut command, environment, folder.path(), modules);
                let script = start.words.last().and_then(|script| script.file_name());
                let name = script.unwrap_or_default().to_string_lossy().into_owned();
                (name, Some(*memory_limit))
            }
            Surroundings::Users => {
                let own = env::var_os("PYTHONPATH").unwrap_or_default();
                add_modules(&mut command, modules, &own);
                (words.clone(), None)
            }
        };
        set_limits(&mut command, memory_limit);
        let mut child = spawn(command).map_err(failed)?;
        living(|groups| groups.push(group(&child)));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            unreachable!("all three are piped");
        };
        Ok(Self {
            name,
            child,
            input,
            lines: read_lines(output),
            errors: keep_errors(errors),
            memory_limit,
            _folder: folder,
        })
    }

    /// Sends a line and waits for one.
    pub(super) fn ask(&mut self, line: &str, limit: Duration) -> Result<String> {
        let sent = self.input.write_all(line.as_bytes()).and_then(|()| {
            self.input.write_all(b"\n")?;
            self.input.flush()
        });
        if sent.is_err() {
            return Err(self.ended());
        }
        match self.lines.recv_timeout(limit) {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(error)) => Err(self.failed(&format!("its answer can't be read: {error}"))),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let seconds = limit.as_secs_f64();
                self.end();
                Err(self
                    .failed(&format!("no answer within {seconds} s (`time_limit`): it was ended")))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    /// An error of this process, with the last that it wrote to standard error.
    pub(super) fn failed(&self, problem: &str) -> Error {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = errors.as_slices();
        let text = String::from_utf8_lossy(&[front, back].concat()).into_owned();
        drop(errors);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(SHOWN)..];
        Error::Refused(match last {
            [] => format!("`{}`: {problem}", self.name),
            last => format!("`{}`: {problem}; on standard error: {}", self.name, last.join(" | ")),
        })
    }

    /// Why there is no process any more.
    fn ended(&mut self) -> Error {
        self.end();
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => return self.failed(&format!("it ended: {error}")),
        };
        // What is in the pipe of standard error is still being read.
        thread::sleep(Duration::from_millis(20));
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with exit code {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it ended".to_owned(),
        };
        let limit = self.memory_limit.map_or_else(String::new, |bytes| {
            format!(" (it may use {} MiB: `memory_limit`)", bytes >> 20)
        });
        self.failed(&format!("{how} instead of answering{limit}"))
    }

    /// Ends it and what it started, unless it has ended.
    fn end(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // A program that is about to end by itself, since it failed, may still tell how.
            thread::sleep(Duration::from_millis(5));
        }
        let own = group(&self.child);
        // The group lives on while any member does; without one there is nothing to end.
        let _ = kill_process_group(own, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let own = group(&self.child);
        let _ = kill_process_group(own, Signal::KILL);
        let _ = self.child.wait();
        living(|groups| groups.retain(|group| *group != own));
    }
}

fn group(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// PATH, the variables that were named, and what makes programs quiet, single-threaded and repeatable.
fn set_environment(
    command: &mut Command,
    environment: &[(String, OsString)],
    folder: &Path,
    modules: &Path,
) {
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    for name in ["HOME", "TMPDIR"] {
        command.env(name, folder);
    }
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(name, "1");
    }
    command.envs([
        ("LANG", "C.UTF-8"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONHASHSEED", "0"),
        ("PYTHONUNBUFFERED", "1"),
    ]);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let own = environment.iter().find(|(name, _)| name == "PYTHONPATH");
    add_modules(command, modules, own.map_or(OsStr::new(""), |(_, value)| value.as_os_str()));
}

/// Lets Python find our module, before those of `further`.
fn add_modules(command: &mut Command, modules: &Path, further: &OsStr) {
    let paths = [modules.to_owned()].into_iter().chain(env::split_paths(further));
    if let Ok(paths) = env::join_paths(paths.filter(|path| !path.as_os_str().is_empty())) {
        command.env("PYTHONPATH", paths);
    }
}

/// Limits memory and files where they have a limit, and ends the process when this program ends.
fn set_limits(command: &mut Command, memory: Option<u64>) {
    #[cfg(target_os = "linux")]
    let parent = rustix::process::getpid();
    let set = move || {
        let at_most = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
        if let Some(memory) = memory {
            setrlimit(Resource::As, at_most(memory))?;
            setrlimit(Resource::Fsize, at_most(memory))?;
        }
        setrlimit(Resource::Core, at_most(0))?;
        #[cfg(target_os = "linux")]
        {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            if rustix::process::getppid() != Some(parent) {
                return Err(io::Error::other("bertillon has ended"));
            }
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "it runs between fork and exec")]
    // SAFETY: it makes system calls only; it allocates nothing (the error of a parent that is gone is seen by nobody)
    // and takes no lock.
    unsafe {
        command.pre_exec(set);
    }
}

/// Starts a process from a thread that lives as long as the program: Linux ends a child with the thread that started it.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, received) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in received {
                // Whoever ordered it waits for it.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts programs has ended");
    let orders = starter.lock().unwrap_or_else(PoisonError::into_inner);
    orders.send((command, answer)).map_err(|_| gone())?;
    drop(orders);
    child.recv().map_err(|_| gone())?
}

/// Process groups that are to be ended with this program, also by `exit`, which drops nothing.
fn living(change: impl FnOnce(&mut Vec<Pid>)) {
    static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
    static AT_EXIT: Once = Once::new();
    extern "C" fn end_all() {
        if let Ok(groups) = GROUPS.try_lock() {
            for group in groups.iter() {
                let _ = kill_process_group(*group, Signal::KILL);
            }
        }
    }
    AT_EXIT.call_once(|| {
        #[expect(unsafe_code, reason = "std has no such hook")]
        // SAFETY: the function is `extern "C"`, takes nothing, and can't panic: it locks without waiting.
        unsafe {
            libc::atexit(end_all);
        }
    });
    change(&mut GROUPS.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Lines of standard output; the channel closes where it ends.
fn read_lines(output: ChildStdout) -> mpsc::Receiver<io::Result<String>> {
    // One line waits at most: a program that talks without being asked is not read on.
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut line = Vec::new();
            let read = output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => return,
                Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST_LINE => {
                    Err(io::Error::other("a line of more than 64 MiB"))
                }
                Ok(_) => String::from_utf8(line).map_err(io::Error::other),
                Err(error) => Err(error),
            };
            let is_last = line.is_err();
            if sender.send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// Keeps the end of standard error.
fn keep_errors(mut errors: ChildStderr) -> Arc<Mutex<VecDeque<u8>>> {
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let ours = Arc::clone(&kept);
    thread::spawn(move || {
        let mut block = [0; KEPT];
        while let Ok(count @ 1..) = errors.read(&mut block) {
            let mut kept = ours.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&block[..count]);
            let excess = kept.len().saturating_sub(KEPT);
            kept.drain(..excess);
        }
    });
    kept
}

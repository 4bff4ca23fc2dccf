//! A Slurm of one controller and two nodes on the loopback interface, with a life of seconds.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Daemons that run until the value is dropped.
pub(crate) struct Cluster {
    folder: TempDir,
}

impl Cluster {
    /// Starts it; or why it can't be.
    pub(crate) fn start() -> Result<Self, String> {
        for program in ["munged", "slurmctld", "slurmd", "sbatch"] {
            let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            if !there.is_ok_and(|output| output.status.success()) {
                return Err(format!(
                    "`{program}` is not here (Debian: slurmctld slurmd slurm-client munge)"
                ));
            }
        }
        let folder = tempfile::Builder::new().prefix("bertillon-slurm").tempdir().unwrap();
        let cluster = Self { folder };
        cluster.configure();
        let d = cluster.folder.path().display().to_string();
        cluster.daemon(
            "munged",
            &[
                &format!("--key-file={d}/munge.key"),
                &format!("--socket={d}/munge.sock"),
                &format!("--pid-file={d}/munged.pid"),
                &format!("--log-file={d}/munged.log"),
                &format!("--seed-file={d}/munged.seed"),
                "--force",
            ],
        )?;
        cluster.daemon("slurmctld", &[])?;
        cluster.daemon("slurmd", &["-N", "w1"])?;
        cluster.daemon("slurmd", &["-N", "w2"])?;
        cluster.wait_for("two idle nodes", || {
            cluster.ask("sinfo", &["-h", "-N", "-o", "%T"]).matches("idle").count() == 2
        });
        Ok(cluster)
    }

    fn configure(&self) {
        let d = self.folder.path();
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(d, fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["state", "spool-w1", "spool-w2"] {
            fs::create_dir(d.join(folder)).unwrap();
        }
        let mut key = [0; 128];
        let mut random = fs::File::open("/dev/urandom").unwrap();
        std::io::Read::read_exact(&mut random, &mut key).unwrap();
        fs::write(d.join("munge.key"), key).unwrap();
        fs::set_permissions(d.join("munge.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let output = |program: &str, words: &[&str]| {
            let output = Command::new(program).args(words).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let (host, user) = (output("hostname", &["-s"]), output("id", &["-un"]));
        let port = 20_000 + u32::from(key[0]) * 64 + u32::from(key[1] % 16) * 4;
        let d = d.display();
        // Seconds in which a lost node shows: MessageTimeout, TCPTimeout, SlurmdTimeout, KillWait.
        let text = format!(
            "ClusterName=bertillon\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={port}\n\
             SlurmUser={user}\nSlurmdUser={user}\n\
             AuthType=auth/munge\nAuthInfo=socket={d}/munge.sock,cred_expire=5\nCredType=cred/munge\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
             SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1\n\
             SwitchType=switch/none\nMpiDefault=none\nReturnToService=2\nJobRequeue=1\n\
             MessageTimeout=3\nTCPTimeout=1\nSlurmdTimeout=3\nKillWait=2\nMaxArraySize=1001\n\
             SlurmctldPidFile={d}/slurmctld.pid\nSlurmdPidFile={d}/slurmd-%n.pid\n\
             SlurmctldLogFile={d}/slurmctld.log\nSlurmdLogFile={d}/slurmd-%n.log\n\
             SlurmdSpoolDir={d}/spool-%n\nStateSaveLocation={d}/state\n\
             SlurmdParameters=config_overrides\n\
             NodeName=w1 NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2 RealMemory=1000\n\
             NodeName=w2 NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2 RealMemory=1000\n\
             PartitionName=all Nodes=w1,w2 Default=YES MaxTime=INFINITE State=UP\n",
            port + 1,
            port + 2
        );
        fs::write(self.folder.path().join("slurm.conf"), text).unwrap();
    }

    fn daemon(&self, program: &str, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new(program);
        let output = self.environment(&mut command).args(words).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "{program} did not start: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }

    /// Makes a command one of this cluster's.
    pub(crate) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("SLURM_CONF", self.folder.path().join("slurm.conf"))
    }

    /// What one of Slurm's commands says.
    pub(crate) fn ask(&self, program: &str, words: &[&str]) -> String {
        let mut command = Command::new(program);
        let output = self.environment(&mut command).args(words).stderr(Stdio::null()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            let queue = || self.ask("squeue", &[]);
            assert!(began.elapsed() < PATIENCE, "no {what} in time:\n{}", queue());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends a node as a lost machine does, with all that runs there; tells how many processes of tasks went with it.
    pub(crate) fn lose(&self, node: &str) -> usize {
        let tag = format!("SLURMD_NODENAME={node}");
        let (mut tasks, mut parents) = (Vec::new(), HashMap::new());
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let stat = String::from_utf8_lossy(&read("stat")).into_owned();
            let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
            parents.insert(id, parent.and_then(|parent| parent.parse::<u32>().ok()));
            let ours = read("environ").split(|&byte| byte == 0).any(|word| word == tag.as_bytes());
            let here = self.folder.path().join("slurm.conf");
            let of_cluster = String::from_utf8_lossy(&read("environ"))
                .contains(&format!("SLURM_CONF={}", here.display()));
            if ours && of_cluster {
                tasks.push(id);
            }
        }
        let is_step = |id: &u32| {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            command.starts_with(b"slurmstepd")
        };
        let steps: Vec<u32> =
            tasks.iter().filter_map(|task| parents[task]).filter(is_step).collect();
        let daemon = fs::read_to_string(self.folder.path().join(format!("slurmd-{node}.pid")));
        let daemon = daemon.unwrap().trim().parse::<u32>().unwrap();
        for id in [daemon].iter().chain(&steps).chain(&tasks) {
            let id = id.to_string();
            drop(Command::new("kill").args(["-KILL", &id]).stderr(Stdio::null()).status());
        }
        tasks.len()
    }

    /// The logs of all jobs.
    pub(crate) fn logs(&self, folder: &Path) -> String {
        let logs = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|path| {
            format!("{}:\n{}\n", path.display(), fs::read_to_string(&path).unwrap_or_default())
        })
        .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for name in ["slurmd-w1", "slurmd-w2", "slurmctld", "munged"] {
            let id = fs::read_to_string(self.folder.path().join(format!("{name}.pid")));
            let Ok(id) = id else { continue };
            drop(Command::new("kill").arg(id.trim()).stderr(Stdio::null()).status());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

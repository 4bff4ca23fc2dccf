//! Speed of what a run spends its time on: answering, crafting, deriving; and of scoring, which must not show.

use std::{fs, hint::black_box};

use bertillon::{
    Access, AnswerTable, Answers, ImageShape, Mode, Model, Parameter, Result, Statistic, Stream,
    Suspects, Workbench, answer,
    evaluation::{Case, Settings, Suspect, evaluate},
    registry,
    suite::Protocol,
    testkit,
};
use bertillon_speed::{images, method, owner, selector, vanilla, variant};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tch::{Device, Kind, Tensor};

/// Random answers of `models` models to `queries` queries of ten classes.
fn table(models: usize, queries: usize) -> AnswerTable {
    let column = |model: usize| {
        let mut stream = Stream::named(1, ["answers", &model.to_string()]);
        let labels = (0..queries).map(|_| u16::try_from(stream.below(10)).expect("a digit"));
        Answers::top1(labels.collect::<Vec<_>>())
    };
    AnswerTable::from_models(&(0..models).map(column).collect::<Vec<_>>()).expect("equal lengths")
}

fn scoring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("distances of 400 suspects");
    let table = table(400, 2000);
    let truth = table.model(1);
    for queries in [20, 100, 500] {
        let rows = Stream::named(2, ["rows"]).sample_indices(2000, queries);
        let reference = table.model(0).gather(&rows);
        let truth = truth.gather(&rows);
        let mut out = vec![0.0; 400];
        group.throughput(Throughput::Elements(400));
        for statistic in [Statistic::MutualInformation, Statistic::LabelMatch] {
            group.bench_function(format!("{statistic:?}, L = {queries}"), |bencher| {
                let suspects = Suspects::new(&table, &rows, 1);
                bencher.iter(|| {
                    statistic
                        .distances(&reference, Some(truth.as_slice()), &suspects, &mut out)
                        .expect("lengths agree");
                    black_box(out[0])
                });
            });
        }
    }
}

fn rates(criterion: &mut Criterion) {
    let (owners, variants) = (12, 33);
    let suspects: Vec<Suspect> = (0..owners * (variants + 1))
        .map(|i| Suspect {
            family: i / (variants + 1),
            kind: format!("kind-{}", i % (variants + 1) % 11),
            detail: None,
            parameter: Some((i % (variants + 1)).to_string()),
            group: "weights".into(),
            vanilla: i % (variants + 1) == 0,
            rehearsed: false,
            copy: false,
        })
        .collect();
    let mut stream = Stream::named(3, ["distances"]);
    let draws: Vec<Vec<f64>> =
        (0..10).map(|_| (0..owners * suspects.len()).map(|_| stream.uniform()).collect()).collect();
    let judged = vec![true; owners * suspects.len()];
    let ancestry: Vec<usize> = (0..owners).map(|owner| owner / 2).collect();
    let case = Case { suspects: &suspects, ancestry: &ancestry, judged: &judged, draws: &draws };
    let settings = Settings {
        false_positive_rate: 0.05,
        protocol: Protocol::Pooled,
        replicates: 2000,
        seed: 1,
        counts_hits: true,
    };
    criterion.bench_function(
        "rates with intervals, 12 families x 34 models, 10 draws",
        |bencher| {
            bencher.iter(|| evaluate(&case, &settings).expect("pairs of both kinds"));
        },
    );
}

fn answering(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let split = images(640).expect("the shipped images");
    let pool = split.pool.images().expect("Fashion-MNIST has images");
    let mut group = criterion.benchmark_group("answers, one thread");
    group.sample_size(10).throughput(Throughput::Elements(640));
    for name in ["lenet-a", "vgg-a", "resnet-a", "mobilenet-a", "mlp-a"] {
        let model = vanilla(name).expect("it is in the zoo");
        group.bench_function(name, |bencher| {
            bencher.iter(|| answer(model.as_ref(), pool, Access::Top1, Device::Cpu));
        });
    }
}

fn deriving(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let split = images(640).expect("the shipped images");
    let pool = split.pool.images().expect("Fashion-MNIST has images");
    let mut group = criterion.benchmark_group("derive resnet-a and answer 640 images, one thread");
    group.sample_size(10).throughput(Throughput::Elements(640));
    for (name, parameters) in [
        ("half", "{}"),
        ("histogram", "{}"),
        ("jpeg", r#"{"quality": 50}"#),
        ("prune", r#"{"layers": "conv", "amount": 0.2}"#),
        ("randomized-smoothing", r#"{"sigma": 0.05, "samples": 16}"#),
    ] {
        let generator = variant(name, parameters).expect("good parameters");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut workbench = Workbench {
                    images: split.thief.clone().expect("Fashion-MNIST has a thief's half"),
                    device: Device::Cpu,
                    stream: Stream::named(1, ["speed"]),
                };
                let copy = vanilla("resnet-a").expect("it is in the zoo");
                let derived = generator.derive(copy, &mut workbench).expect("derivable");
                answer(derived.model.as_ref(), pool, Access::Top1, Device::Cpu)
            });
        });
    }
}

fn crafting(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let split = images(640).expect("the shipped images");
    let owner = owner("lenet-a", &split).expect("it answers");
    let mut group = criterion.benchmark_group("craft 100 queries on lenet-a, one thread");
    group.sample_size(10).throughput(Throughput::Elements(100));
    for (name, attack) in [
        ("bp, 50 steps", r#"{"attack": {"name": "bp", "steps": 50}}"#),
        ("ddn, 100 steps", r#"{"attack": {"name": "ddn", "steps": 100}}"#),
    ] {
        let guard = method("ip-guard", attack).expect("good parameters");
        group.bench_function(name, |bencher| {
            bencher.iter(|| guard.enroll(&owner, None, 100, &mut Stream::named(1, ["speed"])));
        });
    }
}

/// A network that costs nothing.
struct Free;

impl Model for Free {
    fn input(&self) -> ImageShape {
        ImageShape { channels: 1, height: 28, width: 28 }
    }

    fn classes(&self) -> usize {
        10
    }

    fn logits(&self, images: &Tensor, _: Mode) -> Result<Tensor> {
        Ok(Tensor::zeros([images.size()[0], 10], (Kind::Float, Device::Cpu)))
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self))
    }
}

/// What calls of programs in Python cost that do nothing; wants numpy in PYTHONPATH.
fn commands(criterion: &mut Criterion) {
    registry::allow_commands();
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = |name: &str, decorated: &str| {
        let script = folder.path().join(name);
        let text = format!("import bertillon\n@bertillon.{decorated}\nbertillon.serve()\n");
        fs::write(&script, text).expect("a writable folder");
        serde_json::json!({ "script": script, "environment": ["PYTHONPATH"] }).to_string()
    };
    let mut group = criterion.benchmark_group("a call of an empty program in Python");
    let first = "selector()\ndef first(owner, budget, rng): return range(budget)";
    let selector = selector("command", &program("first.py", first)).expect("python3 with numpy");
    let owner = testkit::owner(256);
    group.bench_function("select 100 of 256 images", |bencher| {
        bencher.iter(|| selector.select(&owner, 100, &mut Stream::named(1, ["speed"])));
    });
    let nothing = "variant(kind='nothing', group='input')\ndef nothing(images): return images";
    let generator = variant("command", &program("nothing.py", nothing)).expect("the same");
    let mut workbench = testkit::workbench(1);
    let behind = generator.derive(Box::new(Free), &mut workbench).expect("derivable").model;
    let images = images(64).expect("the shipped images").pool.images.expect("images");
    let images = images.tensor(Device::Cpu);
    group.bench_function("transform 64 images of 28 x 28", |bencher| {
        bencher.iter(|| tch::no_grad(|| behind.logits(&images, Mode::Evaluation)));
    });
}

criterion_group!(benches, scoring, rates, answering, deriving, crafting, commands);
criterion_main!(benches);

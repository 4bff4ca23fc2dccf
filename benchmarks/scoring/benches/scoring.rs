//! How the cost of scoring grows: with suspects, owners, draws, budget and ranks, and with models in all pairs.
//!
//! Criterion prints time and distances a second; where the latter does not fall, the cost is linear or better.

use std::hint::black_box;

use bertillon_measure::PairDistances;
use bertillon_scoring::Population;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Images of the pool.
const POOL: usize = 20_000;

/// Suspects, owners, draws, budget and ranks of one evaluation.
#[derive(Clone, Copy)]
struct Size {
    suspects: usize,
    owners: usize,
    draws: usize,
    budget: usize,
    ranks: usize,
}

const USUAL: Size = Size { suspects: 800, owners: 10, draws: 2, budget: 100, ranks: 1 };

fn evaluations(criterion: &mut Criterion) {
    curve(criterion, "suspects", [200, 800, 3200, 12_800], |suspects| Size { suspects, ..USUAL });
    curve(criterion, "owners", [5, 20, 80], |owners| Size { owners, ..USUAL });
    curve(criterion, "draws", [1, 4, 16], |draws| Size { draws, ..USUAL });
    curve(criterion, "budget", [20, 100, 500, 2500], |budget| Size { budget, ..USUAL });
    curve(criterion, "ranks", [1, 2, 3, 5], |ranks| Size { ranks, ..USUAL });
}

fn curve<const N: usize>(
    criterion: &mut Criterion,
    what: &str,
    values: [usize; N],
    size: impl Fn(usize) -> Size,
) {
    let mut group = criterion.benchmark_group(format!("evaluation by {what}"));
    for value in values {
        let Size { suspects, owners, draws, budget, ranks } = size(value);
        let population =
            Population::synthetic(suspects, owners, POOL, ranks).expect("windows lie in the list");
        let table = population.table().expect("as many true labels as images");
        group.throughput(Throughput::Elements((suspects * owners * draws) as u64));
        group.bench_function(BenchmarkId::from_parameter(value), |bencher| {
            bencher.iter(|| {
                black_box(population.evaluate(&table, draws, budget).expect("the ranks agree"))
            });
        });
    }
}

fn pairs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("all pairs by models");
    group.sample_size(20);
    let images: Vec<u32> = (0..).take(POOL).collect();
    for models in [250, 500, 1000, 2000] {
        let population =
            Population::synthetic(models, 0, POOL, 1).expect("windows lie in the list");
        let table = population.table().expect("as many true labels as images");
        group.throughput(Throughput::Elements((models * models / 2) as u64));
        group.bench_function(BenchmarkId::from_parameter(models), |bencher| {
            bencher.iter(|| PairDistances::on(&table, &images).expect("the truth is known"));
        });
    }
}

criterion_group!(benches, evaluations, pairs);
criterion_main!(benches);

#![allow(dead_code, missing_docs)]
mod golden {
    include!("/tmp/golden_inc.rs");
    pub fn exp() {
        let Some(g) = golden() else { return };
        for line in std::env::var("EXP").unwrap().lines() {
            measured(&g, line);
        }
    }
    pub fn time() {
        let Some(g) = golden() else { return };
        for frozen in [false, true] {
            for (_, t) in g.model.0.named_parameters().unwrap() {
                let _ = t.set_requires_grad(!frozen);
            }
            for n in [16usize, 32, 64, 100, 200] {
                let idx: Vec<u32> = (0..n as u32).map(|i| i % 100).collect();
                let x = g.images.gather(&idx).tensor(Device::Cpu);
                for round in 0..2 {
                    let reps = 2000 / n;
                    let t = Instant::now();
                    for _ in 0..reps {
                        let _ = tch::no_grad(|| g.model.logits(&x, Mode::Evaluation)).unwrap();
                    }
                    let f = t.elapsed().as_secs_f64() / (reps * n) as f64 * 1e6;
                    let t = Instant::now();
                    for _ in 0..reps {
                        let x = x.detach().set_requires_grad(true);
                        let l = g.model.logits(&x, Mode::Evaluation).unwrap().sum(tch::Kind::Float);
                        let _ = Tensor::run_backward(&[l], &[x], false, false);
                    }
                    if round == 1 {
                        println!(
                            "frozen {frozen} n {n}: forward {f:.1} us/image, +backward {:.1}",
                            t.elapsed().as_secs_f64() / (reps * n) as f64 * 1e6
                        );
                    }
                }
            }
        }
        println!(
            "{:?}",
            g.model
                .0
                .named_parameters()
                .unwrap()
                .iter()
                .map(|(n, t)| (n.clone(), t.size(), t.requires_grad()))
                .collect::<Vec<_>>()
        );
    }
}
#[test]
fn exp() {
    golden::exp()
}
#[test]
fn time() {
    golden::time()
}

//! Seconds for what `pytorch.py` times too, as JSON on standard output: answering 1,280 images in batches of 64, and
//! crafting 100 queries by BP with 50 steps, on one thread.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::time::Instant;

use bertillon::{Access, Result, Stream, answer};
use bertillon_speed::{images, method, owner, vanilla};
use tch::Device;

fn main() -> Result<()> {
    tch::set_num_threads(1);
    let split = images(1280)?;
    let mut figures = Vec::new();
    for name in ["lenet-a", "resnet-a"] {
        let model = vanilla(name)?;
        let time = || -> Result<f64> {
            let start = Instant::now();
            answer(model.as_ref(), split.pool.images()?, Access::Top1, Device::Cpu)?;
            Ok(start.elapsed().as_secs_f64())
        };
        time()?;
        figures.push(format!("\"answer {name}\": {}", time()?));
    }
    let guard = method("ip-guard", r#"{"attack": {"name": "bp", "steps": 50}}"#)?;
    for name in ["lenet-a", "resnet-a"] {
        let owner = owner(name, &split)?;
        let craft = || -> Result<f64> {
            let start = Instant::now();
            guard.enroll(&owner, None, 100, &mut Stream::named(1, ["speed"]))?;
            Ok(start.elapsed().as_secs_f64())
        };
        craft()?;
        figures.push(format!("\"craft {name}\": {}", craft()?));
    }
    println!("{{{}}}", figures.join(", "));
    Ok(())
}

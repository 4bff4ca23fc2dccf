//! Works on an ImageNet network as `imagenet.py` asks on standard input, one thread, and says how many seconds it took.
//!
//! Arguments: a TorchScript file, the side of its images, 1000-class logits of images normalised as (255 x - 127) / 128;
//! raw 8-bit images `[n, 3, side, side]`; how many of them to craft from.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::{env, fs, io, sync::Arc, time::Instant};

use bertillon::{
    Access, Error, ImageShape, Images, Memory, Model, Owner, Pool, Result, Stream, answer,
};
use bertillon_speed::method;
use bertillon_torchscript::{Normalisation, TorchScriptModel};
use tch::Device;

fn main() -> Result<()> {
    tch::set_num_threads(1);
    let arguments: Vec<String> = env::args().collect();
    let [_, network, side, images, crafted] = &arguments[..] else {
        return Err(Error::Refused("network, side, images and number to craft from".to_owned()));
    };
    let number = |text: &String| {
        text.parse().map_err(|_| Error::Refused(format!("`{text}` is no whole number")))
    };
    let (side, crafted) = (number(side)?, number(crafted)?);
    let shape = ImageShape { channels: 3, height: side, width: side };
    let bytes = fs::read(images).map_err(|error| Error::file(images, error))?;
    let images = Images::new(bytes, shape)?;
    let load = || {
        let normalisation =
            Normalisation { scale: vec![255.0 / 128.0], offset: vec![-127.0 / 128.0] };
        TorchScriptModel::load(network, shape, 1000, normalisation, Device::Cpu)
    };
    let (frozen, plain) = (load()?, load()?.plain());
    let owner = owner(Box::new(load()?), &images, crafted)?;
    let guard = method("ip-guard", r#"{"attack": {"name": "bp", "steps": 50}}"#)?;
    let asked = |model: &dyn Model| answer(model, &images, Access::Top1, Device::Cpu).map(drop);
    for line in io::stdin().lines() {
        let line = line.map_err(|error| Error::file("standard input", error))?;
        let start = Instant::now();
        match line.as_str() {
            "answer" => asked(&frozen)?,
            "answer plain" => asked(&plain)?,
            "craft" => {
                drop(guard.enroll(&owner, None, crafted, &mut Stream::named(1, ["speed"]))?);
            }
            other => return Err(Error::Refused(format!("`{other}` is nothing to do"))),
        }
        println!("{}", start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// An owner whose pool are the first images, labelled as her model answers them: all can be started from.
fn owner(model: Box<dyn Model>, images: &Images, pool: usize) -> Result<Owner> {
    let count = u32::try_from(pool).map_err(|_| Error::Refused("too many images".to_owned()))?;
    let images = images.gather(&(0..count).collect::<Vec<_>>());
    let answers = answer(model.as_ref(), &images, Access::Top1, Device::Cpu)?;
    let pool = Pool { images: Some(images), truth: answers.as_slice().into(), classes: 1000 };
    Ok(Owner {
        name: "imagenet".to_owned(),
        model: Some(model),
        answers,
        pool: Arc::new(pool),
        peers: Vec::new(),
        rehearsals: Vec::new(),
        device: Device::Cpu,
        memory: Memory::default(),
    })
}

//! A fingerprinting method in a program: `method = "command"` in `[[fingerprints]]`.
//!
//! The program enrols, from what the owner knows, and judges all suspects of a fingerprint in one call, from answers
//! alone. A method of its own; see `docs/PLUGINS.md` for the protocol and examples in Python.

use bertillon::{
    Access, Answers, Configure, Error, Fingerprint, FingerprintMethod, InputSelector, Needs, Owner,
    Queries, Result, Stream, Suspects, answer,
};

use crate::program::{
    self, Params, Plugin, knowledge,
    protocol::{Call, Description, Enrolled, Judged, MethodDescription, Role},
    read_images, seed, write_labels,
};

/// Enrols and judges by a program.
#[derive(Debug)]
pub struct Command {
    plugin: Plugin,
    description: MethodDescription,
}

impl Configure for Command {
    type Parameters = Params;

    const STARTS_PROGRAMS: bool = true;

    fn configure(params: Params) -> Result<Self> {
        let plugin = Plugin::new(params)?;
        match plugin.describe(Role::Method)? {
            Description::Method(MethodDescription { ranks: 0, .. }) => {
                Err(Error::Refused("it asks for no label at all: `ranks` is 1 or more".to_owned()))
            }
            Description::Method(description) => Ok(Self { plugin, description }),
            _ => Err(Error::Refused("the program says that it is no method".to_owned())),
        }
    }
}

impl FingerprintMethod for Command {
    fn needs(&self) -> Needs {
        let MethodDescription { ranks, selector, crafts, .. } = self.description;
        Needs {
            access: if ranks == 1 { Access::Top1 } else { Access::TopK(ranks) },
            knowledge: knowledge(&self.description.knowledge),
            selector,
            crafts,
            ..Needs::default()
        }
    }

    fn ingredients(&self) -> Vec<String> {
        self.plugin.ingredients(&self.description.version)
    }

    fn enroll(
        &self,
        owner: &Owner,
        selector: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        let selected =
            selector.map(|selector| selector.select(owner, budget, stream)).transpose()?;
        let folder = self.plugin.program.folder("enroll-")?;
        let output = folder.path().join("crafted.npy");
        let files = program::owner(owner, &self.plugin.program)?;
        let seed = seed(stream);
        let call = Call::Enroll { owner: files, budget, selected, output: output.clone(), seed };
        let Enrolled { queries, crafted, state, notes } = self.plugin.call(call)?;
        let pool = owner.pool.len();
        if let Some(index) = queries.iter().find(|&&index| index as usize >= pool) {
            return Err(Error::Refused(format!(
                "query {index} is beyond the pool of {pool} images"
            )));
        }
        let notes =
            notes.into_iter().map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN)));
        let notes = notes.collect();
        if !crafted {
            return Ok(Fingerprint { state, notes, ..Fingerprint::benign(owner, queries) });
        }
        let count = budget.saturating_sub(queries.len());
        let images = read_images(&output, count, owner.images()?.shape())?;
        let access = self.needs().access;
        let made = answer(owner.model()?, &images, access, owner.device)?;
        let benign = owner.answers.gather(&queries).restricted_to(access)?;
        let labels = [benign.as_slice(), made.as_slice()].concat();
        Ok(Fingerprint {
            reference: Answers::new(labels, access.ranks())?,
            queries: Queries { pool: queries, crafted: Some(images) },
            truth: None,
            state,
            notes,
        })
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        let folder = self.plugin.program.folder("distances-")?;
        let path = |name: &str| folder.path().join(name);
        let (queries, ranks) = (suspects.queries(), suspects.ranks());
        write_labels(&path("reference.npy"), &[queries, ranks], fingerprint.reference.as_slice())?;
        let truth = fingerprint.truth.as_ref().map(|truth| (path("truth.npy"), truth));
        if let Some((path, truth)) = &truth {
            write_labels(path, &[queries], truth)?;
        }
        let shape = [suspects.len(), queries, ranks];
        write_labels(&path("answers.npy"), &shape, &model_by_model(suspects))?;
        let Judged { distances } = self.plugin.call(Call::Distances {
            reference: path("reference.npy"),
            truth: truth.map(|(path, _)| path),
            queries: fingerprint.queries.pool.clone(),
            state: fingerprint.state.clone(),
            answers: path("answers.npy"),
        })?;
        if distances.len() != out.len() {
            return Err(Error::Refused(format!(
                "the program judged {} suspects of {}",
                distances.len(),
                out.len()
            )));
        }
        for (out, distance) in out.iter_mut().zip(distances) {
            *out = distance.unwrap_or(f64::INFINITY);
        }
        Ok(())
    }
}

/// Labels `[suspects, queries, ranks]` of a table that is laid out query by query.
fn model_by_model(suspects: &Suspects<'_>) -> Vec<u16> {
    let (models, queries, ranks) = (suspects.len(), suspects.queries(), suspects.ranks());
    let mut labels = vec![0; models * queries * ranks];
    for query in 0..queries {
        for rank in 0..ranks {
            for (model, label) in suspects.labels_at(query, rank).iter().enumerate() {
                labels[(model * queries + query) * ranks + rank] = *label;
            }
        }
    }
    labels
}

bertillon::register_method!("command", Command);

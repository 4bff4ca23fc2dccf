//! Putting a fingerprint to one suspect, as its method does it, with queries counted.

use bertillon::{
    Access, Answers, Error, Fingerprint, FingerprintMethod, Images, Oracle, Queries, Result,
};

/// Asks images and gives the answers, top-1 at least.
pub type Ask<'a> = dyn FnMut(&Images) -> Result<Answers> + 'a;

/// Where a suspect's answers come from.
pub enum Answering<'a> {
    /// They were given beforehand, one to every query of the fingerprint, in their order.
    Given(Answers),
    /// A model or a service that answers images.
    Asked(Box<Ask<'a>>),
}

impl std::fmt::Debug for Answering<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(answers) => f.debug_tuple("Given").field(answers).finish(),
            Self::Asked(_) => f.write_str("Asked"),
        }
    }
}

/// What an interrogation came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interrogated {
    /// Never NaN; `+inf` can't tell.
    pub(crate) distance: f64,
    /// Queries spent.
    pub(crate) spent: usize,
}

/// A fingerprint with all that its questions take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Questions<'a> {
    pub(crate) fingerprint: &'a Fingerprint,
    /// All queries as images, where there are any.
    pub(crate) images: Option<&'a Images>,
    /// Queries that may be spent.
    pub(crate) budget: usize,
    /// Labels revealed for a query.
    pub(crate) ranks: usize,
    pub(crate) classes: usize,
}

impl Questions<'_> {
    /// Judges a suspect.
    ///
    /// # Errors
    /// When the suspect or the method fails, more is asked than the budget allows, or a distance is NaN.
    pub(crate) fn put(
        &self,
        method: &dyn FingerprintMethod,
        answering: &mut Answering<'_>,
    ) -> Result<Interrogated> {
        let mut oracle = Oracle::new(self.budget, |asked| self.answers(asked, answering));
        let distance = method.interrogate(self.fingerprint, &mut oracle)?;
        let spent = oracle.asked();
        match distance.is_nan() {
            true => Err(Error::Refused("the distance is NaN".to_owned())),
            false => Ok(Interrogated { distance, spent }),
        }
    }

    fn answers(&self, asked: &Queries, answering: &mut Answering<'_>) -> Result<Answers> {
        let answers = match answering {
            Answering::Given(answers) => answers.gather(&self.positions(asked)?),
            Answering::Asked(ask) => ask(&self.images(asked)?)?,
        };
        self.check(&answers, asked.len())?;
        Ok(answers.restricted_to(Access::TopK(self.ranks))?)
    }

    /// Refuses answers that are not to `count` queries, or name classes that there are none.
    pub(crate) fn check(&self, answers: &Answers, count: usize) -> Result<()> {
        let refuse = |problem: String| Err(Error::Refused(problem));
        if answers.len() != count {
            return refuse(format!("{} answers to {count} queries", answers.len()));
        }
        let beyond =
            answers.as_slice().iter().position(|&label| usize::from(label) >= self.classes);
        if let Some(at) = beyond {
            return refuse(format!(
                "the answer to query {} is class {}, and there are {} classes, counted from 0",
                at / answers.ranks(),
                answers.as_slice()[at],
                self.classes
            ));
        }
        match answers.ranks() < self.ranks {
            true => refuse(format!(
                "the method compares the {} best labels of every answer, and {} were given",
                self.ranks,
                answers.ranks()
            )),
            false => Ok(()),
        }
    }

    /// Where questions stand among the queries of the fingerprint.
    fn positions(&self, asked: &Queries) -> Result<Vec<u32>> {
        let queries = &self.fingerprint.queries;
        if asked == queries {
            return Ok((0..).take(queries.len()).collect());
        }
        let unknown =
            || Error::Refused("the method asks what is no query of this fingerprint".to_owned());
        let benign = asked.pool.iter().map(|index| queries.pool.iter().position(|q| q == index));
        let crafted = |image: usize| {
            let (asked, known) = (asked.crafted.as_ref()?, queries.crafted.as_ref()?);
            let position = (0..known.len()).find(|&k| known.image(k) == asked.image(image))?;
            Some(queries.pool.len() + position)
        };
        let count = asked.crafted.as_ref().map_or(0, Images::len);
        benign
            .chain((0..count).map(crafted))
            .map(|position| position.and_then(|p| u32::try_from(p).ok()).ok_or_else(unknown))
            .collect()
    }

    /// Questions as images; crafted ones need not be queries of the fingerprint.
    fn images(&self, asked: &Queries) -> Result<Images> {
        let all = self.images.ok_or_else(|| {
            Error::Refused("this fingerprint holds no images to ask, only their indices".to_owned())
        })?;
        let benign = Queries::benign(asked.pool.clone());
        let benign = all.gather(&self.positions(&benign)?);
        match &asked.crafted {
            None => Ok(benign),
            Some(crafted) if benign.is_empty() => Ok(crafted.clone()),
            Some(crafted) => {
                Images::new([benign.as_bytes(), crafted.as_bytes()].concat(), all.shape())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bertillon::{InputSelector, Owner, Stream, Suspects};

    use super::*;
    use crate::enrolled::tests::enrolled;

    /// Asks its last query first, then its first if the answer was 1, and counts what differs.
    struct Adaptive;

    impl FingerprintMethod for Adaptive {
        fn enroll(
            &self,
            _: &Owner,
            _: Option<&dyn InputSelector>,
            _: usize,
            _: &mut Stream,
        ) -> Result<Fingerprint> {
            Err(Error::Refused("not here".to_owned()))
        }

        fn distances(&self, _: &Fingerprint, _: &Suspects<'_>, _: &mut [f64]) -> Result<()> {
            Err(Error::Refused("one by one only".to_owned()))
        }

        fn interrogate(&self, fingerprint: &Fingerprint, suspect: &mut Oracle<'_>) -> Result<f64> {
            let crafted = fingerprint.queries.crafted.clone().unwrap();
            let last = suspect.ask(&Queries::crafted(crafted))?.label(0);
            if last != 1 {
                return Ok(f64::from(last));
            }
            let first = suspect.ask(&Queries::benign(vec![fingerprint.queries.pool[0]]))?;
            Ok(f64::from(first.label(0)) / 10.0)
        }
    }

    #[test]
    fn an_adaptive_method_spends_what_it_asks_of_answers_and_of_models_alike() {
        let enrolled = enrolled();
        let questions = Questions {
            fingerprint: &enrolled.fingerprint,
            images: enrolled.queries.as_ref(),
            budget: 3,
            ranks: 1,
            classes: 10,
        };
        let found = |answering| questions.put(&Adaptive, &mut { answering }).unwrap();
        let given = |labels: [u16; 3]| Answering::Given(Answers::top1(labels));
        assert_eq!(found(given([5, 6, 1])), Interrogated { distance: 0.5, spent: 2 });
        assert_eq!(found(given([5, 6, 7])), Interrogated { distance: 7.0, spent: 1 });
        // A model that answers the first sample of an image, modulo ten: 9 for the crafted one, 1 for the first.
        let asked = Answering::Asked(Box::new(|images| {
            let label = |i: usize| u16::from(images.image(i)[0] % 10);
            Ok(Answers::top1((0..images.len()).map(label).collect::<Vec<_>>()))
        }));
        assert_eq!(found(asked), Interrogated { distance: 9.0, spent: 1 });
        let narrow = Questions { budget: 1, ..questions };
        let error = narrow.put(&Adaptive, &mut given([5, 6, 1])).unwrap_err().to_string();
        assert_eq!(error, "2 queries exceed the budget of 1");
    }

    #[test]
    fn answers_that_can_not_be_are_refused_in_words() {
        let enrolled = enrolled();
        let questions = Questions {
            fingerprint: &enrolled.fingerprint,
            images: None,
            budget: 3,
            ranks: 2,
            classes: 10,
        };
        let error = |answers: Answers| questions.check(&answers, 3).unwrap_err().to_string();
        assert_eq!(error(Answers::top1(vec![1, 2])), "2 answers to 3 queries");
        assert!(error(Answers::top1(vec![1, 10, 2])).contains("query 1 is class 10"));
        assert!(error(Answers::top1(vec![1, 2, 3])).contains("the 2 best labels"));
        assert!(questions.images(&Queries::benign(vec![3])).is_err());
        assert!(questions.positions(&Queries::benign(vec![4])).is_err());
    }
}

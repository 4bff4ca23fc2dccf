//! Variant generators, input selectors and methods.
//!
//! What a plugin says of itself follows from its parameters, so it is asked once, when it is built: a panic there is
//! an error at its place in the suite.

use super::{Contained, catch, models::model};
use crate::{
    Cost, Derived, Error, Fingerprint, FingerprintMethod, InputSelector, Knowledge, Model, Needs,
    Oracle, Owner, Result, Stream, Suspects, VariantGenerator, Variation, Workbench,
};

struct Variant {
    plugin: Contained<dyn VariantGenerator>,
    variation: Variation,
    ingredients: Vec<String>,
}

/// Builds and wraps a variant generator.
pub(crate) fn variant(
    make: impl FnOnce() -> Result<Box<dyn VariantGenerator>>,
) -> Result<Box<dyn VariantGenerator>> {
    catch(|| {
        let plugin = Contained::new(make()?);
        let (variation, ingredients) = (plugin.variation(), plugin.ingredients());
        Ok(Box::new(Variant { plugin, variation, ingredients }) as Box<_>)
    })
}

impl VariantGenerator for Variant {
    fn variation(&self) -> Variation {
        self.variation.clone()
    }

    fn ingredients(&self) -> Vec<String> {
        self.ingredients.clone()
    }

    /// An estimate only: without one, as if it cost nothing.
    fn cost(&self, images: usize) -> Cost {
        catch(|| Ok(self.plugin.cost(images))).unwrap_or_default()
    }

    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived> {
        let Derived { model: made, changes } = catch(|| self.plugin.derive(copy, workbench))?;
        Ok(Derived { model: model(made)?, changes })
    }
}

struct Selector {
    plugin: Contained<dyn InputSelector>,
    knowledge: Knowledge,
    ingredients: Vec<String>,
}

/// Builds and wraps an input selector.
pub(crate) fn selector(
    make: impl FnOnce() -> Result<Box<dyn InputSelector>>,
) -> Result<Box<dyn InputSelector>> {
    catch(|| {
        let plugin = Contained::new(make()?);
        let (knowledge, ingredients) = (plugin.knowledge(), plugin.ingredients());
        Ok(Box::new(Selector { plugin, knowledge, ingredients }) as Box<_>)
    })
}

impl InputSelector for Selector {
    fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    fn ingredients(&self) -> Vec<String> {
        self.ingredients.clone()
    }

    fn check(&self, pool: usize, budget: usize) -> Result<()> {
        catch(|| self.plugin.check(pool, budget))
    }

    /// Indices that are none of the pool, repeat, or are more than were asked for, are refused before a method uses
    /// them.
    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        let chosen = catch(|| self.plugin.select(owner, budget, stream))?;
        let refuse = |problem: String| Err(Error::Refused(format!("the selector chose {problem}")));
        if chosen.len() > budget {
            return refuse(format!("{} images for a budget of {budget}", chosen.len()));
        }
        if let Some(index) = chosen.iter().find(|&&index| index as usize >= owner.pool.len()) {
            let images = owner.pool.len();
            return refuse(format!("image {index}, beyond the pool of {images} images"));
        }
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => refuse(format!("image {} twice", pair[0])),
            None => Ok(chosen),
        }
    }
}

struct Method {
    plugin: Contained<dyn FingerprintMethod>,
    needs: Needs,
    forwards_per_crafted_query: f64,
    gives_p_values: bool,
    ingredients: Vec<String>,
}

/// Builds and wraps a method.
pub(crate) fn method(
    make: impl FnOnce() -> Result<Box<dyn FingerprintMethod>>,
) -> Result<Box<dyn FingerprintMethod>> {
    catch(|| {
        let plugin = Contained::new(make()?);
        Ok(Box::new(Method {
            needs: plugin.needs(),
            forwards_per_crafted_query: plugin.forwards_per_crafted_query(),
            gives_p_values: plugin.gives_p_values(),
            ingredients: plugin.ingredients(),
            plugin,
        }) as Box<_>)
    })
}

impl FingerprintMethod for Method {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn forwards_per_crafted_query(&self) -> f64 {
        self.forwards_per_crafted_query
    }

    fn gives_p_values(&self) -> bool {
        self.gives_p_values
    }

    fn ingredients(&self) -> Vec<String> {
        self.ingredients.clone()
    }

    fn enroll(
        &self,
        owner: &Owner,
        selector: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        catch(|| self.plugin.enroll(owner, selector, budget, stream))
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        catch(|| self.plugin.distances(fingerprint, suspects, out))
    }

    fn interrogate(&self, fingerprint: &Fingerprint, suspect: &mut Oracle<'_>) -> Result<f64> {
        catch(|| self.plugin.interrogate(fingerprint, suspect))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    struct Chooses(Vec<u32>);

    impl InputSelector for Chooses {
        fn knowledge(&self) -> Knowledge {
            assert!(!self.0.is_empty(), "nothing to choose");
            Knowledge::default()
        }

        fn select(&self, owner: &Owner, _: usize, _: &mut Stream) -> Result<Vec<u32>> {
            assert_ne!(self.0[0], 3, "three is a crowd");
            assert!(owner.pool.len() > 2);
            Ok(self.0.clone())
        }
    }

    #[test]
    fn a_panic_while_a_plugin_is_built_or_describes_itself_is_an_error() {
        let error = selector(|| panic!("can't be built")).err().unwrap().to_string();
        assert!(error.starts_with("panicked: can't be built"), "{error}");
        let error = selector(|| Ok(Box::new(Chooses(Vec::new())))).err().unwrap().to_string();
        assert!(error.starts_with("panicked: nothing to choose"), "{error}");
    }

    #[test]
    fn what_a_selector_may_not_choose_is_refused_in_words() {
        let owner = testkit::owner(8);
        let choose = |indices: &[u32]| {
            let selector = selector(|| Ok(Box::new(Chooses(indices.to_vec())))).unwrap();
            let chosen = selector.select(&owner, 2, &mut Stream::named(0, ["draw"]));
            chosen.map_err(|error| error.to_string())
        };
        assert_eq!(choose(&[7, 0]), Ok(vec![7, 0]));
        let beyond = "the selector chose image 8, beyond the pool of 8 images";
        assert_eq!(choose(&[0, 8]), Err(beyond.to_owned()));
        let many = "the selector chose 3 images for a budget of 2";
        assert_eq!(choose(&[0, 1, 2]), Err(many.to_owned()));
        assert_eq!(choose(&[5, 5]), Err("the selector chose image 5 twice".to_owned()));
        assert!(choose(&[3]).unwrap_err().starts_with("panicked: "));
    }
}

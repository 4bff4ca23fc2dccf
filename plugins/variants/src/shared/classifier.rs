//! Finding the classifier, the layer that gives the logits.

use bertillon::{Parameter, Role};

/// Index of the weight of the linear classifier: the last linear layer with one row a class.
///
/// None where the classifier is a convolution. Linear layers inside blocks (squeeze and excitation) have another
/// number of rows.
pub(crate) fn linear(parameters: &[Parameter], classes: usize) -> Option<usize> {
    last_with_rows(parameters, classes, Role::Linear)
}

/// Index of the weight of a convolution that serves as classifier.
pub(crate) fn convolution(parameters: &[Parameter], classes: usize) -> Option<usize> {
    last_with_rows(parameters, classes, Role::Convolution)
}

/// Indices of the weight `weight` and of the bias of its layer, if it has one.
pub(crate) fn layer(parameters: &[Parameter], weight: usize) -> Vec<usize> {
    let path = |parameter: &Parameter| {
        parameter.name.rsplit_once('.').map_or(String::new(), |(path, _)| path.to_owned())
    };
    let layer = path(&parameters[weight]);
    let bias = parameters.iter().position(|p| p.role == Role::Bias && path(p) == layer);
    [Some(weight), bias].into_iter().flatten().collect()
}

fn last_with_rows(parameters: &[Parameter], classes: usize, role: Role) -> Option<usize> {
    parameters.iter().rposition(|parameter| {
        parameter.role == role
            && parameter
                .tensor
                .size()
                .first()
                .is_some_and(|&rows| usize::try_from(rows) == Ok(classes))
    })
}

#[cfg(test)]
mod tests {
    use bertillon::{Model, testkit};

    use super::*;

    #[test]
    fn a_layer_is_its_weight_and_its_bias() {
        let parameters = testkit::ToyModel::new(0).parameters();
        let weight = linear(&parameters, testkit::CLASSES).unwrap();
        let names: Vec<_> =
            layer(&parameters, weight).into_iter().map(|i| parameters[i].name.as_str()).collect();
        assert_eq!(names, ["classifier.weight", "classifier.bias"]);
    }

    #[test]
    fn a_linear_layer_with_other_rows_is_no_classifier() {
        let parameters = testkit::ToyModel::new(0).parameters();
        assert_eq!(linear(&parameters, 7), None);
        assert_eq!(convolution(&parameters, 6), Some(0));
    }
}

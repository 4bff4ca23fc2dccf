// All that vega-lite takes from the package `vega`, which would bring maps, forces and trees.
export * from "vega-util";

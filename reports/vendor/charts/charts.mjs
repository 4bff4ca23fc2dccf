// What the report needs of Vega: every chart of ours is a Vega-Lite specification of lines, areas, bars, points, rectangles.
import { transforms } from "vega-dataflow";
import * as encode from "vega-encode";
import { expressionInterpreter } from "vega-interpreter";
import { compile } from "vega-lite";
import { parse } from "vega-parser";
import { Handler } from "vega-tooltip";
import * as basic from "vega-transforms";
import { extend } from "vega-util";
import { View } from "vega-view";
import * as layout from "vega-view-transforms";

extend(transforms, basic, layout, encode);
globalThis.charts = { Handler, View, compile, expressionInterpreter, parse };

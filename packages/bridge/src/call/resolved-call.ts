import type { RuleBook } from '@changeover/compare';
import type { OperationDefinition } from '@changeover/core';
import type { AnswerStyle, ShadowStyles } from '../shadow/budgets.ts';
import type { CallCost } from './call-costs.ts';
import type { AtOnceLegs } from './leg-calls.ts';
import type { ListCall } from './members.ts';
import type { KeyState } from './key-state.ts';
import type { StageDecision } from '../stages/flags/stage-source.ts';
import type { Cell, ShapeCounts } from '../recorder/cell.ts';
import type { Route } from './route.ts';
import type { RouteTraits } from './route-traits.ts';

/** One operation of the routed API. */
export interface Call {
  readonly index: number;
  readonly operation: string;
  readonly definition: OperationDefinition;
  /** Makes it on a leg. */
  readonly legacy: ListCall;
  readonly pooled: ListCall;
  /** How the legs answer it, as far as their functions show it: see the router's options. */
  readonly mayAnswerAtOnce: AtOnceLegs | undefined;
  /** How the legs were seen to answer it as the shadow. */
  readonly shadowStyles: ShadowStyles;
  /** How the legacy leg was seen to answer. */
  style: AnswerStyle;
  /** How the pooled leg was seen to answer callers. */
  pooledStyle: AnswerStyle;
  /** A leg was seen to answer a caller with a promise. */
  mayPromise: boolean;
  /** The last call that was timed took so little that reading the clock is a good part of it. */
  quick: boolean;
}

/** Everything that is decided about a call before it is made; memoised by key, operation and shape. */
export interface ResolvedCall {
  readonly backend: string;
  readonly key: string;
  readonly operation: string;
  readonly definition: OperationDefinition;
  readonly decision: StageDecision;
  readonly route: Route;
  readonly traits: RouteTraits;
  readonly cell: Cell;
  /** The counts of the calls that differ from this one in values alone. */
  readonly shape: ShapeCounts;
  readonly cost: CallCost;
  readonly state: KeyState;
  /** Where the legs' results may rightly differ; undefined where no rule holds for such calls. */
  readonly rules: RuleBook | undefined;
}

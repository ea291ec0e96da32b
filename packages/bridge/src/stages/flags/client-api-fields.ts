/** The fields of the client API's objects: any other in a file is a typing error. */
export const featureFields: readonly string[] = [
  'name',
  'type',
  'project',
  'description',
  'enabled',
  'stale',
  'impressionData',
  'strategies',
  'variants',
  'dependencies',
  'createdAt',
  'lastSeenAt',
  'environments',
];
/** Of a strategy. */
export const strategyFields: readonly string[] = [
  'name',
  'id',
  'title',
  'sortOrder',
  'disabled',
  'parameters',
  'constraints',
  'segments',
  'variants',
];
/** Of a variant. */
export const variantFields: readonly string[] = [
  'name',
  'weight',
  'weightType',
  'stickiness',
  'payload',
  'overrides',
];
/** Of a constraint. */
export const constraintFields: readonly string[] = [
  'contextName',
  'operator',
  'inverted',
  'values',
  'value',
  'caseInsensitive',
];
/** Of the document. */
export const documentFields: readonly string[] = [
  '$schema',
  'version',
  'features',
  'segments',
  'query',
  'meta',
];
/** Of a dependency. */
export const dependencyFields: readonly string[] = ['feature', 'enabled', 'variants'];

/** Strategies whose answer is the same for a dataset each time, from the context that a call has. */
export const usableStrategies: readonly string[] = [
  'flexibleRollout',
  'default',
  'applicationHostname',
];
/** Operators that compare with a list of texts. */
export const listOperators: readonly string[] = [
  'IN',
  'NOT_IN',
  'STR_ENDS_WITH',
  'STR_STARTS_WITH',
  'STR_CONTAINS',
  'IN_CIDR',
];
/** Operators whose answer changes with the time. */
export const dateOperators: readonly string[] = ['DATE_AFTER', 'DATE_BEFORE'];
/** Operators that compare with one value. */
export const valueOperators: readonly string[] = [
  'NUM_EQ',
  'NUM_GT',
  'NUM_GTE',
  'NUM_LT',
  'NUM_LTE',
  ...dateOperators,
  'SEMVER_EQ',
  'SEMVER_GT',
  'SEMVER_LT',
  'SEMVER_GTE',
  'SEMVER_LTE',
  'REGEX',
];

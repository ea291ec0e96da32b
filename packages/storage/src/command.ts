import type { ReproduceOnLegs } from '@changeover/operate/command';

export { addVerify } from './verify/add-verify.ts';

/** As {@link ReproduceOnLegs}. What makes legs is loaded when it is needed. */
export const reproduceOnLegs: ReproduceOnLegs = async (given) => {
  const legs = await import('./reproduce-on-legs.ts');
  return await legs.reproduceOnLegs(given);
};

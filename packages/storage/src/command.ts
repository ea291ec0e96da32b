export { reproduceOnLegs } from './reproduce-on-legs.ts';
export { addVerify } from './verify/add-verify.ts';

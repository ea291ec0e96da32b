export { addVerify } from './verify/add-verify.ts';

import { keepShop } from './shop.js';

// Neither of these runs where types are only stripped.
enum Answer {
  Orders = 2,
}
class Check {
  constructor(readonly orders: number) {}
}
const answer = await keepShop();
if (new Check(answer.orders).orders !== Answer.Orders) throw new Error('other orders');
console.log(JSON.stringify(answer));

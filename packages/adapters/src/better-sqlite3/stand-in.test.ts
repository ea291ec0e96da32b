import { expect, test } from '@jest/globals';
import { standIn } from './stand-in.ts';

class Driver {
  prepare(): string {
    return 'by the driver';
  }
  tomorrow(): string {
    return 'by the driver';
  }
}

class Ours {
  readonly #word: string;
  constructor(word: string) {
    this.#word = word;
  }
  prepare(): string {
    return this.#word;
  }
}

test('an instance of ours is one of the driver, with our members', () => {
  const made: object = standIn(Ours, new Driver(), ['ours']);
  expect(made).toBeInstanceOf(Driver);
  expect(made.constructor).toBe(Driver);
  expect((made as Ours).prepare()).toBe('ours');
});

test('what the driver has and ours has not is refused by name', () => {
  const made = standIn(Ours, new Driver(), ['ours']) as unknown as Driver;
  expect(() => made.tomorrow()).toThrow('tomorrow() is not bridged');
});

test('what a subclass of the driver adds works, on our members', () => {
  class Named extends Driver {
    twice(): string {
      return this.prepare() + this.prepare();
    }
  }
  const made = standIn(Ours, new Named(), ['ours']) as unknown as Named;
  expect(made).toBeInstanceOf(Named);
  expect(made.twice()).toBe('oursours');
});

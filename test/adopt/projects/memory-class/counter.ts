class Counter {
  #values: number[] = [];
  total(): number {
    return this.#values.reduce((sum, one) => sum + one, 0);
  }
  add(value: number): this {
    this.#values.push(value);
    return this;
  }
}

export default new Counter();

/** One place in one list at a time. */
export class Link<T> {
  readonly value: T;
  list: LinkedList<T> | null = null;
  before: Link<T> | null = null;
  after: Link<T> | null = null;

  constructor(value: T) {
    this.value = value;
  }

  /** Leaves its list, if it is in one. */
  leave(): void {
    this.list?.remove(this);
  }
}

/**
 * An order in which anything can leave from anywhere in O(1). A Set would do the same, but finding its
 * first element costs a walk over all that left before.
 */
export class LinkedList<T> {
  first: Link<T> | null = null;
  last: Link<T> | null = null;
  size = 0;

  append(link: Link<T>): void {
    link.leave();
    link.list = this;
    link.before = this.last;
    if (this.last === null) this.first = link;
    else this.last.after = link;
    this.last = link;
    this.size += 1;
  }

  /** The link is in this list. */
  remove(link: Link<T>): void {
    if (link.before === null) this.first = link.after;
    else link.before.after = link.after;
    if (link.after === null) this.last = link.before;
    else link.after.before = link.before;
    link.list = null;
    link.before = null;
    link.after = null;
    this.size -= 1;
  }

  /** The one that is visited may leave. */
  *[Symbol.iterator](): Generator<T> {
    let link = this.first;
    while (link !== null) {
      const { after } = link;
      yield link.value;
      link = after;
    }
  }
}

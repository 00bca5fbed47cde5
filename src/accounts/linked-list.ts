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
    this.insert(link, this.last);
  }

  /** Right behind `before`, which is in this list; null: as the first. The link is in no list. */
  insert(link: Link<T>, before: Link<T> | null): void {
    const after = before === null ? this.first : before.after;
    link.list = this;
    link.before = before;
    link.after = after;
    if (before === null) this.first = link;
    else before.after = link;
    if (after === null) this.last = link;
    else after.before = link;
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

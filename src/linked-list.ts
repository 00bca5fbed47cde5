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
 * Who is here, in an order in which anything can leave from anywhere in O(1).
 *
 * Not a Set where requests come and go: finding its first element costs a walk over all that left before,
 * and V8 links the table of a Set or Map that was filled, emptied or cleared to the one that takes its
 * place. Once a full collection has made one of them old, whatever was in any later one survives every
 * young collection until the next full one. With a Set of the open requests 17 % of all that chats
 * allocate was promoted and a young collection took 4 ms of 8 MB; with this, 0.3 % and 1.1 ms.
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

  /** All leave. */
  takeAll(): T[] {
    const all = [...this];
    while (this.first !== null) this.remove(this.first);
    return all;
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

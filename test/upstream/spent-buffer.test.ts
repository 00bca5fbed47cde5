import t from 'tap';
import { SpentBuffer } from '../../src/upstream/spent-buffer.ts';

/** As a socket reads: a buffer for each. */
const read = (bytes: number): Buffer => Buffer.from(new ArrayBuffer(bytes));
const skip = !('transfer' in ArrayBuffer.prototype) && 'this engine cannot let go of buffers';

t.test('what was read is gone when the next read comes, and not before', { skip }, (t) => {
  const spent = new SpentBuffer();
  const [first, second] = [read(40_000), read(50_000)];
  spent.followedBy(first.subarray(0, 10_000));
  spent.followedBy(first.subarray(10_000));
  t.equal(first.buffer.byteLength, 40_000, 'parts of one read');
  spent.followedBy(second);
  t.equal(first.buffer.byteLength, 0);
  t.equal(second.buffer.byteLength, 50_000);
  spent.followedBy(read(100));
  spent.followedBy(read(100));
  t.equal(second.buffer.byteLength, 0);
  t.end();
});

t.test('what others may use as well, and what is small, stays', (t) => {
  const spent = new SpentBuffer();
  const pooled = Buffer.allocUnsafe(10);
  const [small, like] = [read(100), read(Buffer.poolSize)];
  for (const chunk of [pooled, small, like, read(40_000)]) spent.followedBy(chunk);
  t.same(
    [pooled, small, like].map(({ buffer }) => buffer.byteLength),
    [Buffer.poolSize, 100, Buffer.poolSize],
  );
  t.end();
});

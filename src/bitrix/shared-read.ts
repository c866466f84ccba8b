/**
 * One read for all who ask in the same turn of the event loop. It begins after each of them asked, so it is as new
 * as a read of their own would be; nothing is kept.
 */
export class SharedRead<Key, Value> {
  private readonly gathering = new Map<Key, Promise<Value>>();

  constructor(private readonly read: (key: Key) => Promise<Value>) {}

  get(key: Key): Promise<Value> {
    const joined = this.gathering.get(key);
    if (joined) return joined;
    const value = this.begin(key);
    this.gathering.set(key, value);
    return value;
  }

  private async begin(key: Key): Promise<Value> {
    await new Promise((resolve) => setImmediate(resolve));
    this.gathering.delete(key);
    return this.read(key);
  }
}

import type { Sql } from './sql.ts';

/** A thing that many rows refer to by its number, with how many do. */
export interface Counted<Body> {
  readonly id: number;
  readonly key: string;
  readonly body: Body;
  /** Rows that refer to it. */
  uses: number;
  /** Of those, the ones that are not over (bundles); 0 where nobody asks. */
  open: number;
}

interface Table<Body> {
  load(sql: Sql): Counted<Body>[];
  insert(sql: Sql, entry: Counted<Body>): void;
  update(sql: Sql, entry: Counted<Body>): void;
  remove(sql: Sql, id: number): void;
}

/**
 * A small table held in memory whole: entries are added on first use and go with their last one. Counts are written
 * once per transaction, however many rows changed them.
 */
export class CountedSet<Body> {
  readonly #table: Table<Body>;
  readonly #byKey = new Map<string, Counted<Body>>();
  readonly #byId = new Map<number, Counted<Body>>();
  readonly #changed = new Set<Counted<Body>>();
  #nextId = 1;

  constructor(table: Table<Body>) {
    this.#table = table;
  }

  load(sql: Sql): void {
    this.#byKey.clear();
    this.#byId.clear();
    this.#changed.clear();
    this.#nextId = 1;
    for (const entry of this.#table.load(sql)) this.#add(entry);
  }

  /** The entry of this key, made when it is new. The caller counts its use. */
  intern(sql: Sql, key: string, body: () => Body): Counted<Body> {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const entry: Counted<Body> = { id: this.#nextId, key, body: body(), uses: 0, open: 0 };
    this.#table.insert(sql, entry);
    this.#add(entry);
    return entry;
  }

  get(id: number): Counted<Body> {
    const entry = this.#byId.get(id);
    if (entry === undefined) throw new Error(`the database refers to entry ${id}, which does not exist`);
    return entry;
  }

  values(): Iterable<Counted<Body>> {
    return this.#byId.values();
  }

  count(entry: Counted<Body>, uses: number, open: number): void {
    entry.uses += uses;
    entry.open += open;
    this.#changed.add(entry);
  }

  /** Writes the changed counts; returns the entries that went. */
  flush(sql: Sql): readonly Counted<Body>[] {
    const gone: Counted<Body>[] = [];
    for (const entry of this.#changed) {
      if (entry.uses > 0) {
        this.#table.update(sql, entry);
        continue;
      }
      this.#table.remove(sql, entry.id);
      this.#byId.delete(entry.id);
      this.#byKey.delete(entry.key);
      gone.push(entry);
    }
    this.#changed.clear();
    return gone;
  }

  #add(entry: Counted<Body>): void {
    this.#byKey.set(entry.key, entry);
    this.#byId.set(entry.id, entry);
    this.#nextId = Math.max(this.#nextId, entry.id + 1);
  }
}

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * State of a stand-in in one JSON file, readable by its owner alone. Changes are made one after another and are on the
 * disk, complete, before `update` resolves.
 */
export class JsonFile<State> {
  readonly #file: string;
  readonly #initial: () => State;
  #state: Promise<State> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(file: string, initial: () => State) {
    this.#file = file;
    this.#initial = initial;
  }

  /** The present state. It belongs to the file: change it in `update` alone. */
  read(): Promise<Readonly<State>> {
    this.#state ??= this.#load();
    return this.#state;
  }

  /** Runs `change` on a copy and keeps it when that does not throw. Returns what `change` returns. */
  async update<Result>(change: (state: State) => Result | Promise<Result>): Promise<Result> {
    const turn = this.#last.then(async () => {
      const next = structuredClone(await this.read()) as State;
      const result = await change(next);
      await this.#save(next);
      this.#state = Promise.resolve(next);
      return result;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #load(): Promise<State> {
    try {
      return JSON.parse(await readFile(this.#file, 'utf8')) as State;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#initial();
      throw error;
    }
  }

  async #save(state: State): Promise<void> {
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
    const temporary = `${this.#file}.${process.pid}`;
    await writeFile(temporary, JSON.stringify(state, null, 2), { mode: 0o600 });
    await rename(temporary, this.#file);
  }
}

import { compactTime } from '../../domain/identifiers.ts';
import type { OperationStatus } from '../../domain/operation.ts';

/** A step as it is announced. */
export interface StepName {
  id: string;
  title: string;
}

/**
 * `20261123T180000Z-acme-hybridStorage`: says whose it is and sorts by time among the points of a site, for it is made
 * under the site's lock.
 */
export function recoveryPointId({ site, operation }: OperationStatus): string {
  return `${compactTime(new Date(Date.now()))}-${site}-${operation}`;
}

/** One plan and what belongs to it; steps and recovery points of the second and later ones carry their number. */
export class Round {
  readonly pointId: string;
  readonly #number: number;

  constructor(number: number, status: OperationStatus) {
    this.#number = number;
    this.pointId = this.named(recoveryPointId(status));
  }

  readonly named = (id: string): string => (this.#number <= 1 ? id : `${id}-${this.#number}`);

  get plan(): StepName {
    return { id: this.named('plan'), title: 'Observe and plan' };
  }

  gate(id: string, title: string): StepName {
    return { id: this.named(`gate-${id}`), title };
  }

  get lock(): StepName {
    return { id: this.named('lock-again'), title: 'Take the lock again' };
  }

  get baseline(): StepName {
    return { id: this.named('baseline'), title: 'Measure what visitors meet before' };
  }

  get recoveryPoint(): StepName {
    const title = `Take the recovery point ${this.pointId}`;
    return { id: this.named('recovery-point'), title };
  }

  get visitors(): StepName {
    return { id: this.named('visitors'), title: 'Watch what visitors meet' };
  }
}

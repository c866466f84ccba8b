import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders by how long their files wait for the program: retries, leases and looks have their real times. */
const FOLDERS = ['/test/faults/', '/test/e2e/', '/test/integration/', '/test/support/', '/src/'];

/** Those of test/e2e and test/integration that take longest, the longest first. */
const LONGEST = [
  'e2e/silence',
  'e2e/installation',
  'e2e/bad-input',
  'e2e/outcomes',
  'e2e/sessions',
  'e2e/default-bot',
  'integration/embedded-postgres',
  'integration/delivery-model',
];

/** Files that wait long begin first, so that none of them is left over for the end. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a.moduleId) - rank(b.moduleId));
  }
}

function rank(file: string): number {
  const long = LONGEST.findIndex((name) => file.endsWith(`/test/${name}.spec.ts`));
  return long >= 0 ? long : LONGEST.length + FOLDERS.findIndex((folder) => file.includes(folder));
}

import { parse } from '@cdktf/hcl2json';

/**
 * Variables of a Terraform .tfvars file (HCL). Expressions are not evaluated: they stay as `${…}` texts.
 *
 * @param fileName shown in the error
 * @throws Error with line and column when the text is not HCL
 */
export async function parseTfvars(
  text: string,
  fileName: string,
): Promise<Record<string, unknown>> {
  let values: unknown;
  try {
    values = await parse(fileName, text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(message.replace(/^parse config: /, ''), { cause: error });
  }
  if (typeof values !== 'object' || values === null) throw new Error(`${fileName} sets nothing`);
  return values as Record<string, unknown>;
}

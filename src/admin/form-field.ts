import { ChatError } from '../errors.ts';

/** A text field of a form, urlencoded or multipart; null: it is not there. Throws `invalid_value` when it is no form. */
export async function formField(contentType: string, body: Uint8Array, name: string): Promise<string | null> {
  try {
    const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
    const value = form.get(name);
    return value === null || typeof value === 'string' ? value : await value.text();
  } catch (cause) {
    throw new ChatError(
      'invalid_value',
      `The request body is not a form. Send the field "${name}" urlencoded or as multipart/form-data, with its content-type.`,
      { param: name, cause },
    );
  }
}

/** A whole update with a text, as a webhook gets it. */
export function textUpdate(
  update_id: number,
  message_id: number,
  from: { id: number; first_name: string },
  text: string,
) {
  return {
    update_id,
    message: {
      message_id,
      from: { ...from, is_bot: false, language_code: 'en' },
      chat: { ...from, type: 'private' },
      date: Math.floor(Date.now() / 1000),
      text,
    },
  };
}

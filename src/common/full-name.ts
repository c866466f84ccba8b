/** First and last name as they are read together; '' when there is neither. */
export function fullName(first: string | undefined, last: string | undefined): string {
  return [first, last].filter(Boolean).join(' ').trim();
}

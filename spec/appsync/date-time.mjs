// AppSync's scalar AWSDateTime: an ISO 8601 date and time with an offset, kept as sent.
const FORM = /^-?\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}(:\d{2})?)$/;

export function dateTime(value) {
  if (typeof value !== "string" || !FORM.test(value) || !isInTheCalendar(value)) {
    throw new TypeError(`Unable to parse ${JSON.stringify(value)} as AWSDateTime`);
  }
  return value;
}

function isInTheCalendar(value) {
  const day = value.slice(0, 10);
  const at = new Date(`${day}T00:00:00Z`);
  // The 30th of February is no date: JavaScript would call it the 2nd of March.
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(day) && !Number.isNaN(Date.parse(value.slice(0, 19) + "Z"));
}

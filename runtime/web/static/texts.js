// All texts of the page.

const percent = (share) => {
  const value = 100 * share;
  return value > 0 && value < 0.1 ? "less than 0.1 %" : `${value.toFixed(value < 10 ? 1 : 0)} %`;
};
const seconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;

export const texts = {
  empty: "Open a photograph to begin.",
  opening: (name, bytes) => `Opening ${name}, ${mebibytes(bytes)} …`,
  loaded: "Paint over what is to be removed.",
  marked: (share) => `${percent(share)} of the picture is marked. Press Repair, or Enter.`,
  large: (side, most) => `${side} px are wider than the ${most} px that the model sees: such a place is repaired at ${Math.round((100 * most) / side)} % of its resolution.`,
  sending: "Sending …",
  ahead: (count) => (count === 1 ? "1 repair before yours." : `${count} repairs before yours.`),
  running: (parts, scale) =>
    `Repairing ${parts === 1 ? "one place" : `${parts} places`}${scale < 0.995 ? `, the largest at ${Math.round(100 * scale)} % of its resolution` : ""} …`,
  part: (part, of, left) => `Part ${part} of ${of} is done${left > 1 ? `, about ${seconds(left)} left` : ""} …`,
  repaired: (took, model) => `Repaired in ${seconds(took)} (model ${seconds(model)}). Compare, paint again, or download.`,
  nothing: "Nothing was missing in that mask.",
  stopped: (parts) => (parts ? `Stopped. ${parts === 1 ? "The finished part stays" : `The ${parts} finished parts stay`}; the rest is still marked.` : "Stopped. What you painted is still there."),
  busy: (left) => `The server is busy. Trying again in ${left} s …`,
  offline: "The server does not answer. You can go on painting; nothing is lost, and Repair comes back with it.",
  online: "The server is back.",
  tooLarge: (bytes, most) => `This file has ${mebibytes(bytes)}; the server takes ${mebibytes(most)}. Save it with less quality, or start the server with a larger --max-upload.`,
  notShown: "The browser cannot show this file, and the server does not answer.",
  failed: (detail, id) => `${detail}${id ? `\nRequest ${id}` : ""}`,
  maskSize: (width, height, right) => `That mask is ${width} x ${height}; the picture is ${right}. A mask must have the shape of its picture.`,
  maskProtected: "This browser hides pixels from pages, so a mask of this format cannot be read. Save it as PNG.",
  maskRead: (share) => `Mask opened: ${percent(share)} of the picture is marked.`,
  maskEmpty: "Nothing in that mask is white. White is what is missing.",
  saved: (name) => `Saved as ${name}.`,
  saving: "Encoding the file …",
  copied: "Copied as PNG.",
  notCopied: "Copying needs https or localhost; use Download instead.",
  token: "This server needs its token. Open the address that it printed when it started.",
  reasonOpen: "Open a photograph first.",
  reasonMark: "Paint over something first.",
  reasonOffline: "The server does not answer.",
  limits: (bytes, pixels) => `PNG, JPEG, WebP, TIFF, BMP or GIF; up to ${Math.round(bytes / 2 ** 20)} MiB and ${Math.round(pixels / 1e6)} megapixels`,
  here: "Pictures stay on this machine.",
  there: (host) => `Pictures are sent to ${host}, kept in its memory while they are repaired, and not stored.`,
  facts: (picture, model) =>
    [
      picture && `${picture.width} × ${picture.height}`,
      picture && picture.format + (picture.bits === 16 ? " 16 bit" : "") + (picture.profile ? ", own profile" : ""),
      model && `${model.model.name.replace(/\.\w+$/, "")} on ${model.device}, ${model.model.precision}`,
    ].filter(Boolean).join(" · "),
};

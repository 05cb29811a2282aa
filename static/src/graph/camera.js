// Which part of the picture is seen, and how large.
const LEAST = 0.01;
const MOST = 3;

export class Camera {
  constructor() {
    this.k = 1; // px on the screen for one of the picture
    this.x = 0; // of the picture's corner on the screen
    this.y = 0;
    this.width = 1; // of the view
    this.height = 1;
  }

  /** Zooms around a place on the screen. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const k = Math.min(MOST, Math.max(LEAST, this.k * factor));
    this.x = x - ((x - this.x) * k) / this.k;
    this.y = y - ((y - this.y) * k) / this.k;
    this.k = k;
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
  }

  /** Shows the whole picture, at most in its own size. */
  fit(scene) {
    this.k = Math.max(LEAST, Math.min(1, this.width / scene.width, this.height / scene.height));
    this.x = (this.width - scene.width * this.k) / 2;
    this.y = (this.height - scene.height * this.k) / 2;
  }

  /** Brings a place of the picture into the middle. */
  centre(x, y) {
    this.x = this.width / 2 - x * this.k;
    this.y = this.height / 2 - y * this.k;
  }

  /** Shows no emptiness beside the picture where it could show more of it. */
  fill(scene) {
    const place = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    this.x = place(this.x, scene.width * this.k, this.width);
    this.y = place(this.y, scene.height * this.k, this.height);
  }

  /** Moves as little as needed to show a part of the picture. */
  reveal(x, y, w, h, margin = 48) {
    const left = x * this.k + this.x, top = y * this.k + this.y;
    const right = left + w * this.k, bottom = top + h * this.k;
    const m = Math.min(margin, this.width / 6);
    if (left < m) this.x += m - left;
    else if (right > this.width - m) this.x -= Math.min(right - (this.width - m), left - m);
    if (top < m) this.y += m - top;
    else if (bottom > this.height - m) this.y -= bottom - (this.height - m);
  }

  /** The picture never leaves the view altogether. */
  keepInside(scene, keep = 80) {
    this.x = Math.min(this.width - keep, Math.max(keep - scene.width * this.k, this.x));
    this.y = Math.min(this.height - keep, Math.max(keep - scene.height * this.k, this.y));
  }

  toPicture(x, y) {
    return [(x - this.x) / this.k, (y - this.y) / this.k];
  }
}

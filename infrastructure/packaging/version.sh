# Prints the version of this checkout in a form that pacman and dpkg take: that of its
# tag, with the number of commits since; without a tag 0.0.0, all commits, and the newest.
version=$(git describe --tags --match 'v[0-9]*' 2>/dev/null || echo "v0.0.0-$(git rev-list --count HEAD)-g$(git rev-parse --short HEAD)")
version=${version#v}
echo "${version//-/.}"

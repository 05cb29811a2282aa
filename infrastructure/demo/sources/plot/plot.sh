#!/bin/bash
for ((i = 1; i <= ${1:-5}; i++)); do
	printf '%s ' "$(mathengine "$i" "$i")"
done

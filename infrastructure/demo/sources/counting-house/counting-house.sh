#!/bin/bash
abacus
